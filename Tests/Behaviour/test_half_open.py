"""Peers that are gone without a word (hardening 4.5): a cable between two network namespaces is pulled or swallows."""

from __future__ import annotations

import time

import pytest

from harness import frames
from harness.client import wait_until
from harness.namespaces import NODE_ADDRESS, Cable, Impossible
from harness.node import USUAL, VARIANTS, Node
from harness.pusher import PusherClient, trigger

EVERYWHERE = USUAL.with_flags("--host", "0.0.0.0")
LIVELY = EVERYWHERE.with_environment(CLARION_APP_PING_INTERVAL_SECONDS="2", CLARION_REALTIME_PING_INTERVAL_SECONDS="2",
                                     CLARION_REALTIME_PONG_TIMEOUT_SECONDS="4")
UNASKED = EVERYWHERE.with_environment(CLARION_LIMITS_UNACKNOWLEDGED_SECONDS="2")
PEERS = 3


@pytest.fixture
def cable():
    try:
        cable = Cable()
    except Impossible as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    yield cable
    cable.remove()


def connect(cable: Cable, node: Node) -> tuple[list[PusherClient], list]:
    """Clients at the far end of the cable."""
    with cable.at_the_peer():
        pusher = [PusherClient(node, host=NODE_ADDRESS) for _ in range(PEERS)]
        realtime = [node.realtime("c", host=NODE_ADDRESS) for _ in range(PEERS)]
    for client in pusher:
        client.subscribe("c")
    wait_until(lambda: node.metrics().value("subscriptions") == 2 * PEERS, "all are subscribed")
    return pusher, realtime


def test_row_4_5_pulled_cable(cable: Cable, start) -> None:
    """4.5: peers of both protocols are asked, do not answer, and are gone from every count; one that is well stays."""
    nodes = [start(LIVELY, variant) for variant in VARIANTS]
    gone = [connect(cable, node) for node in nodes]
    near = [PusherClient(node) for node in nodes]
    cable.pull()
    deadline = time.monotonic() + 30
    waiting = dict(enumerate(nodes))
    while waiting:
        assert time.monotonic() < deadline, f"peers that are gone are still there on {list(waiting.values())}"
        for index, node in list(waiting.items()):
            near[index].event("pusher:ping", {})
            metrics = node.metrics()
            if metrics.closes("pongTimeout") == 2 * PEERS and metrics.value("subscriptions") == 0:
                assert metrics.value("sockets", "open") == 1
                del waiting[index]
        time.sleep(0.2)
    for node, client in zip(nodes, near):
        client.sync()
        assert client.closed is None
        node.stop_clean()
    assert gone


def test_row_4_5_close_codes(cable: Cable, start) -> None:
    """4.5: a peer that is not heard is pinged and closed; the node forgets it in the time of any close. One that is heard again soon
    after finds out why: 4201 in Pusher's protocol, 1001 on /ws. (Its kernel gets what ours has kept.)"""
    nodes = [start(LIVELY, variant) for variant in VARIANTS]
    peers = [connect(cable, node) for node in nodes]
    cable.mute()
    for node in nodes:
        wait_until(lambda: node.metrics().closes("pongTimeout") == 2 * PEERS, f"{node}: counted")
        wait_until(lambda: node.metrics().value("sockets", "open") == 0, f"{node}: they are gone")
    cable.unmute()
    for node, (pusher, realtime) in zip(nodes, peers):
        for client in pusher:
            before, closed = client.drain_to_close()
            assert [b"pusher:ping" in f.payload for f in before] == [True, False], before
            assert closed is not None and closed.code == 4201, (node, closed)
        for client in realtime:
            before, closed = client.drain_to_close()
            assert [f.opcode for f in before] == [frames.PING], before
            assert closed is not None and closed.code == 1001, (node, closed)


def test_row_4_5_unacknowledged(cable: Cable, start) -> None:
    """4.5: what is sent to a peer that is gone, and is never acknowledged, ends the connection (TCP_USER_TIMEOUT), though no ping is
    due for a minute."""
    nodes = [start(UNASKED, variant) for variant in VARIANTS]
    gone = [connect(cable, node) for node in nodes]
    cable.pull()
    for node in nodes:
        assert trigger(node, "c", data="into the void").status == 200
        assert node.broadcast("c", "into the void").status == 202
    for node in nodes:
        wait_until(lambda: node.metrics().closes("peerReset") == 2 * PEERS, f"{node}: the kernel gives them up")
        assert node.metrics().value("subscriptions") == 0
        assert node.metrics().closes("pongTimeout") == 0
        node.stop_clean()
    assert gone


def test_row_4_5_option_is_set(start) -> None:
    """4.5: keepalive is on, for peers to which nothing is ever sent: the kernel shows its timer."""
    node = start(USUAL, VARIANTS[2])
    client = node.raw()
    port = client.socket.getsockname()[1]
    timers = wait_until(lambda: timers_of(node.port, port), "the node's end is in the kernel's table")
    assert timers == ["02"], "no keepalive timer"
    client.close()


def timers_of(local_port: int, remote_port: int) -> list[str]:
    """Kinds of the running timers (02: keepalive) of established connections between two ports (/proc/net/tcp)."""
    found = []
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == local_port and int(fields[2].split(":")[1], 16) == remote_port and fields[3] == "01":
                found.append(fields[5].split(":")[0])
    return found
