"""`clarion start --debug`: what comes and goes, printed for people."""

from __future__ import annotations

import os
from typing import Any

import pytest

from harness.client import wait_until
from harness.node import USUAL, Node, Variant
from harness.pusher import PusherClient, api, dumps, trigger
from harness.signing import channel_auth

SOME = [Variant("uring", 4), Variant("epoll", 1)]
SHOWN = USUAL.with_flags("--debug")


def printed(node: Node) -> str:
    """Standard output so far."""
    size = os.fstat(node.stdout.fileno()).st_size
    return os.pread(node.stdout.fileno(), size, 0).decode()


@pytest.mark.variants(SOME)
@pytest.mark.settings(SHOWN)
def test_messages_and_requests_are_printed(node: Node) -> None:
    """In, out, broadcasts, requests and their answers, with titles as Reverb has them; signatures never; nothing that steers a terminal."""
    with PusherClient(node) as client:
        member = dumps({"user_id": "10", "user_info": {"name": "A\x1b[31m"}})
        auth = channel_auth(client.socket_id, "presence-shown", member).split(":")[1]
        client.event("pusher:subscribe", {"channel": "presence-shown", "auth": f"app-key:{auth}", "channel_data": member})
        client.read_event("pusher_internal:subscription_succeeded")
        client.event("client-typing", {"password": "hunter2", "text": "\u202ereverse"}, channel="presence-shown")
        client.text('{"auth":"app-key:' + auth)
        client.sync()
        assert trigger(node, "presence-shown", data={"said": "by the API"}).status == 200
        assert client.read_json()["event"] == "my-event"
        assert api(node, "GET", "/channels/presence-shown", query={"info": "user_count"}).status == 200
        assert api(node, "GET", "/channels", secret="wrong").status == 401
        socket = client.socket_id
    wait_until(lambda: f"Connection Closed       {socket}" in printed(node), "the end is printed")
    text = printed(node)
    for wanted in (f"Connection Established  {socket}", f"Message Received        {socket}", f"Message Sent            {socket}",
                   "Broadcasting To         presence-shown", "HTTP Request            POST /apps/app-id/events?", "HTTP Answer             200 to",
                   "HTTP Answer             401 to", '"event": "pusher:connection_established"', '"socket_id": "' + socket, '"auth": "app-key:***"',
                   '"user_id": "10"', '"name": "A\\u001b[31m"', '"text": "\\u202ereverse"', '"password": "***"', '"said": "by the API"',
                   '"user_count": 1', "&auth_signature=***", '"event": "pusher_internal:member_added"', "Invalid message format"):
        assert wanted in text, f"{wanted!r} is missing in:\n{text}"
    assert auth not in text and "hunter2" not in text and "\x1b" not in text and "\u202e" not in text
    assert not any("/metrics" in line or "/up " in line for line in text.splitlines() if "HTTP Request" in line)


@pytest.mark.variants(SOME)
def test_a_terminal_that_takes_nothing_holds_nobody_up(start, variant: Variant) -> None:
    """Standard output is a pipe that nobody reads: clients are served, memory stays; later a line tells how many are missing."""
    reader, writer = os.pipe()
    node = start(SHOWN, variant, before_exec=lambda: os.dup2(writer, 1) and None)
    os.close(writer)
    with PusherClient(node) as client:
        for _ in range(6):
            for _ in range(500):
                client.event("pusher:ping", {})
            for _ in range(500):
                client.read_event("pusher:pong")
        client.subscribe("calm")
        assert trigger(node, "calm").status == 200
        client.read_event("my-event")
        taken = bytearray()
        os.set_blocking(reader, False)

        def tells() -> bool:
            try:
                taken.extend(os.read(reader, 1 << 20))
            except BlockingIOError:
                pass
            return b"messages are not shown: what reads this is too slow" in taken

        wait_until(tells, "the line about what is missing", pause=0.001)
        assert taken.count(b"Message Received") < 3_000 and b"Connection Established" in taken
    node.stop()
    os.close(reader)


@pytest.mark.variants(SOME)
def test_nothing_is_printed_otherwise(node: Node) -> None:
    with PusherClient(node) as client:
        client.subscribe("quiet")
        assert trigger(node, "quiet").status == 200
        client.read_event("my-event")
    assert printed(node) == ""


SOKETI = USUAL.with_flags("--metrics-soketi").with_environment(CLARION_APP2_ID="second", CLARION_APP2_KEY="second-key", CLARION_APP2_SECRET="s")


@pytest.mark.settings(SOKETI)
def test_metrics_under_soketis_names(node: Node) -> None:
    """The names and labels of Soketi's metrics, beside our own."""
    def samples(name: str) -> dict[str, Any]:
        return {s[1].get("app_id", ""): s for s in node.metrics().families[f"soketi_{name}"].samples}

    clients = [PusherClient(node) for _ in range(3)]
    other = PusherClient(node, key="second-key")
    clients[0].subscribe("counted")
    assert trigger(node, "counted").status == 200
    clients[0].read_event("my-event")
    for name, kind in (("connected", "gauge"), ("new_connections_total", "counter"), ("new_disconnections_total", "counter"),
                       ("socket_received_bytes", "counter"), ("socket_transmitted_bytes", "counter"), ("ws_messages_received_total", "counter"),
                       ("ws_messages_sent_total", "counter"), ("http_received_bytes", "counter"), ("http_transmitted_bytes", "counter"),
                       ("http_calls_received_total", "counter")):
        family = node.metrics().families[f"soketi_{name}"]
        assert family.kind == kind and all(s[1]["port"] == str(node.port) for s in family.samples), name
    connected = samples("connected")
    assert connected["app-id"][2] == 3 and connected["second"][2] == 1
    opened, ended = samples("new_connections_total")["app-id"][2], samples("new_disconnections_total")["app-id"][2]
    assert opened - ended == 3
    for client in clients:
        client.say_goodbye()
    wait_until(lambda: samples("connected")["app-id"][2] == 0, "they are gone")
    assert samples("new_disconnections_total")["app-id"][2] == opened and samples("new_disconnections_total")["second"][2] == 0
    assert samples("ws_messages_sent_total")[""][2] >= 6 and samples("http_received_bytes")[""][2] > 0
    other.close()


def test_soketis_names_are_off_otherwise(node: Node) -> None:
    assert "soketi" not in node.metrics().text
