"""What becomes of clients that come back by the rules of pusher-js, when nodes and applications go and come (harness/reconnecting.py)."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness.client import wait_until
from harness.node import USUAL, Node, Variant, binary
from harness.pusher import dumps, trigger
from harness.reconnecting import ReconnectingClient, Times
from harness.signing import channel_auth
from test_reload import application, configured, reload, write

SOME = [Variant("uring", 4), Variant("epoll", 1)]
QUICK = Times(retry=0.2)


def member(name: str) -> Any:
    """An endpoint that signs presence channels for this user."""
    def authorize(socket_id: str, channel: str) -> dict[str, str]:
        if not channel.startswith("presence-"):
            return {"auth": channel_auth(socket_id, channel)}
        data = dumps({"user_id": name})
        return {"auth": channel_auth(socket_id, channel, data), "channel_data": data}
    return authorize


def everything(client: ReconnectingClient) -> None:
    client.subscribe("news", "private-room", "presence-hall", "cache-last")


@pytest.mark.variants(SOME)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_node_that_comes_back_gets_its_clients_back(start, variant: Variant, number: int) -> None:
    """Told (4200) or not, clients return with a new id, new signatures, their channels and their user; presence is whole again."""
    first = start(USUAL, variant)
    with ReconnectingClient(first.port, authorize=member("ann"), user={"id": "ann"}, times=QUICK) as ann, \
            ReconnectingClient(first.port, authorize=member("bob"), times=QUICK) as bob:
        everything(ann)
        everything(bob)
        ann.wait_connected()
        bob.wait_connected()
        wait_until(lambda: ann.signed_in == ["ann"], "signed in")
        first.process.send_signal(number)
        first.process.wait(30)
        second = start(USUAL, variant, port=first.port)
        for client in (ann, bob):
            client.wait_connected(2)
            assert client.codes[0] == (4200 if number == signal.SIGTERM else None), client.codes
            assert len(set(client.socket_ids)) == len(client.socket_ids)
            room = client.channels["private-room"]
            assert len(set(room.auths)) == len(room.auths) >= 2 and len(room.confirmations) >= 2
            assert set(client.states) <= {"connecting", "connected"}
        wait_until(lambda: len(ann.signed_in) >= 2 and ann.channels["#server-to-user-ann"].subscribed, "signed in again")

        def whole() -> bool:
            rosters = [set(c.channels["presence-hall"].confirmations[-1]["presence"]["ids"]) for c in (ann, bob)]
            return {"ann", "bob"} in rosters

        wait_until(whole, "the last one to come back sees both")
        for channel in ("news", "private-room", "presence-hall", "#server-to-user-ann"):
            assert trigger(second, channel, event="again").status == 200
            wait_until(lambda: any(e["event"] == "again" for e in ann.channels[channel].events), f"an event on {channel}")
        assert not ann.unknown and not bob.unknown


@pytest.mark.variants(SOME)
def test_a_switched_off_application_is_left_alone(start, tmp_path: Path, variant: Variant) -> None:
    """4003 ends clients for good; those of another application are not touched."""
    path = tmp_path / "clarion.toml"
    write(path, application("one"), application("two"))
    node = start(configured(path), variant)
    with ReconnectingClient(node.port, key="one-key", times=QUICK) as one, ReconnectingClient(node.port, key="two-key", times=QUICK) as two:
        one.subscribe("news")
        two.subscribe("news")
        one.wait_connected()
        two.wait_connected()
        write(path, application("one", enabled=False), application("two"))
        assert reload(node)["event"] == "reloaded"
        one.wait_state("disconnected")
        assert one.codes == [4003] and len(one.socket_ids) == 1
        assert two.state == "connected" and two.codes == []


REFUSING = USUAL.with_environment(
    CLARION_APP2_ID="2", CLARION_APP2_KEY="full", CLARION_APP2_SECRET="s", CLARION_APP2_MAX_CONNECTIONS="0",
    CLARION_APP3_ID="3", CLARION_APP3_KEY="off", CLARION_APP3_SECRET="s", CLARION_APP3_ENABLED="false",
    CLARION_APP4_ID="4", CLARION_APP4_KEY="elsewhere", CLARION_APP4_SECRET="s", CLARION_APP4_ALLOWED_ORIGINS="good.example")


@pytest.mark.variants(SOME)
@pytest.mark.settings(REFUSING)
def test_who_is_refused_for_good_stays_away(node: Node) -> None:
    """4001, 4003, 4004, 4009: told once, and nobody knocks again."""
    before = node.metrics().value("upgrades")
    for key, code in (("nobody", 4001), ("off", 4003), ("full", 4004), ("elsewhere", 4009)):
        with ReconnectingClient(node.port, key=key, times=QUICK) as client:
            client.wait_state("disconnected")
            assert client.codes == [code] and client.socket_ids == [], key
    assert node.metrics().value("upgrades") == before + 4


@pytest.mark.variants(SOME)
@pytest.mark.settings(USUAL.with_environment(CLARION_APPS_STORE="redis://127.0.0.1:1", CLARION_APPS_LOOKUP_SECONDS="1"))
def test_who_cannot_be_told_yet_comes_again_later(node: Node) -> None:
    """A store that is down is no reason to keep clients away: 4100, and they ask again."""
    with ReconnectingClient(node.port, key="in-the-store", times=QUICK) as client:
        wait_until(lambda: len(client.codes) >= 3, "it tries again")
        assert set(client.codes) == {4100} and "disconnected" not in client.states


@pytest.mark.variants(SOME)
@pytest.mark.settings(USUAL.with_environment(CLARION_APP_PING_INTERVAL_SECONDS="1"))
def test_who_does_not_answer_pings_is_replaced(node: Node) -> None:
    """4201 brings the client back at once; one that answers stays."""
    with ReconnectingClient(node.port, answers_pings=False, times=QUICK) as silent, ReconnectingClient(node.port) as lively:
        silent.subscribe("news")
        lively.subscribe("news")
        lively.wait_connected()
        silent.wait_connected(2)
        assert silent.codes[0] == 4201
        assert silent.errors[0]["code"] == 4201
        assert lively.codes == [] and len(lively.socket_ids) == 1


@pytest.mark.variants(SOME)
def test_a_node_that_says_nothing_is_given_up(start, variant: Variant) -> None:
    """Activity timeout, ping, pong timeout: a stopped process is noticed by the client; `unavailable` meanwhile; and it comes back."""
    node = start(USUAL, variant)
    with ReconnectingClient(node.port, times=Times(activity=0.5, pong=0.5, retry=0.2, unavailable=0.5)) as client:
        client.subscribe("news")
        client.wait_connected()
        wait_until(lambda: client.pings >= 2, "pings that are answered")
        assert client.state == "connected"
        node.process.send_signal(signal.SIGSTOP)
        try:
            client.wait_state("unavailable")
        finally:
            node.process.send_signal(signal.SIGCONT)
        client.wait_connected(2)
        assert trigger(node, "news").status == 200
        client.wait_events("news", 1)


@pytest.mark.variants(SOME)
def test_who_is_thrown_out_stays_out(node: Node) -> None:
    """Kicked by an operator or by the application: 4009."""
    with ReconnectingClient(node.port, user={"id": "eve"}, times=QUICK) as kicked:
        kicked.wait_connected()
        subprocess.run([str(binary()), "kick", "--port", str(node.port), kicked.socket_ids[0]], check=True, stdout=subprocess.DEVNULL)
        kicked.wait_state("disconnected")
        assert kicked.codes == [4009]


@pytest.mark.variants(SOME)
def test_a_crowd_comes_back_to_a_killed_node(start, variant: Variant) -> None:
    """Thirty members of one channel over a kill: all of them, each once, on every worker."""
    first = start(USUAL, variant)
    clients = [ReconnectingClient(first.port, authorize=member(f"m{n}"), times=QUICK) for n in range(30)]
    try:
        for client in clients:
            client.subscribe("presence-crowd")
            client.__enter__()
        for client in clients:
            client.wait_connected()
        first.kill()
        time.sleep(0.1)
        second = start(USUAL, variant, port=first.port)
        for client in clients:
            client.wait_connected(2)
        last = ReconnectingClient(second.port, authorize=member("last"))
        clients.append(last)
        with last:
            roster = last.subscribe("presence-crowd")
            last.wait_connected()
            assert sorted(roster.confirmations[0]["presence"]["ids"]) == sorted(["last", *(f"m{n}" for n in range(30))])
    finally:
        for client in clients:
            client.stop()


