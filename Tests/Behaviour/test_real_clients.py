"""Clients and SDKs that other people wrote: pysher, pusher, websockets, ws of Node."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import shutil
import subprocess
import time
from pathlib import Path

import pusher
import pysher
import pytest
import websockets

from harness.client import PATIENCE, wait_until
from harness.node import APP_ID, APP_KEY, APP_SECRET, GOOD_ORIGIN, USUAL, Node
from harness.pusher import PusherClient

NUMERIC = USUAL.with_flags("--app-id", "4711")
"""The SDK of Python takes only ids of digits."""


def sdk(node: Node) -> pusher.Pusher:
    """The HTTP SDK of Pusher."""
    return pusher.Pusher(app_id="4711", key=APP_KEY, secret=APP_SECRET, host="127.0.0.1", port=node.port, ssl=False)


class Listener:
    """A pysher client that puts events into a queue."""

    def __init__(self, node: Node, application: pusher.Pusher, *channels: str) -> None:
        self.events: queue.Queue = queue.Queue()
        self.connected: queue.Queue = queue.Queue()
        self.client = pysher.Pusher(APP_KEY, secure=False, custom_host="127.0.0.1", port=node.port, daemon=True, reconnect_interval=1)
        self.client.connection.bind("pusher:connection_established", self.connected.put)
        self.client.connect()
        established = json.loads(self.connected.get(timeout=PATIENCE))
        self.socket_id = established["socket_id"]
        self.channels = {}
        for name in channels:
            def count(name: str = name) -> int:
                return application.channel_info(name, ["subscription_count"]).get("subscription_count", 0)

            before = count()
            channel = self.channels[name] = self.client.subscribe(name)
            channel.bind("news", lambda data, name=name: self.events.put((name, data)))
            channel.bind("client-wave", lambda data, name=name: self.events.put((name, data)))
            # pysher can bind only behind subscribing, when the confirmation may be past already.
            wait_until(lambda: count() == before + 1, f"{name} is subscribed")

    def next(self) -> tuple[str, str]:
        """The next event."""
        return self.events.get(timeout=PATIENCE)

    def close(self) -> None:
        # Its thread may be waiting on the socket that this closes, and then wakes up only 100 s later: not waited for.
        self.client.disconnect(timeout=1)


@pytest.mark.settings(NUMERIC)
def test_pysher_and_pusher(node: Node) -> None:
    """Connect, subscribe, trigger, exclude, batch, ask."""
    application = sdk(node)
    one, two = Listener(node, application, "room", "hall"), Listener(node, application, "room")
    assert application.trigger("room", "news", {"hello": "w\u00f6rld"}) == {}
    for listener in (one, two):
        name, data = listener.next()
        assert name == "room" and json.loads(data) == {"hello": "w\u00f6rld"}
    application.trigger(["room", "hall"], "news", "to both")
    assert {one.next()[0], one.next()[0]} == {"room", "hall"}
    assert two.next() == ("room", "to both")
    application.trigger("room", "news", "not to one", socket_id=one.socket_id)
    assert two.next() == ("room", "not to one")
    application.trigger_batch([{"channel": "room", "name": "news", "data": str(n)} for n in range(10)])
    for listener in (one, two):
        assert [listener.next() for _ in range(10)] == [("room", str(n)) for n in range(10)]
    assert application.channels_info() == {"channels": {"room": {}, "hall": {}}}
    assert application.channels_info(prefix_filter="ha") == {"channels": {"hall": {}}}
    assert application.channel_info("room", ["subscription_count"]) == {"occupied": True, "subscription_count": 2}
    assert application.channel_info("empty") == {"occupied": False}
    two.client.connection.send_event("client-wave", {"from": "two"}, channel_name="room")
    name, data = one.next()
    assert name == "room" and (json.loads(data) if isinstance(data, str) else data) == {"from": "two"}
    with pytest.raises(pusher.errors.PusherBadAuth):
        pusher.Pusher(app_id="4711", key=APP_KEY, secret="wrong", host="127.0.0.1", port=node.port, ssl=False).trigger("room", "news", "x")
    one.close()
    two.close()
    wait_until(lambda: application.channels_info() == {"channels": {}}, "their channels are gone")


@pytest.mark.settings(NUMERIC)
def test_pysher_unsubscribes(node: Node) -> None:
    application = sdk(node)
    listener = Listener(node, application, "a", "b")
    listener.client.unsubscribe("a")
    wait_until(lambda: "a" not in application.channels_info()["channels"], "it left")
    application.trigger(["a", "b"], "news", "x")
    assert listener.next() == ("b", "x")
    time.sleep(0.1)
    assert listener.events.empty()
    listener.close()


def test_websockets(node: Node) -> None:
    """The library `websockets`: echo with its keep-alive and deflate offers, JSON realtime, a clean close."""
    async def converse() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{node.port}/echo", max_size=1 << 24, ping_interval=1) as client:
            for message in ("text", "Zo\u00eb" * 1000, b"bytes", b"\0" * 2_000_000, "", ["in ", "three ", "fragments"]):
                await client.send(message)
                got = await asyncio.wait_for(client.recv(), PATIENCE)
                assert got == ("".join(message) if isinstance(message, list) else message)
            pong = await client.ping()
            await asyncio.wait_for(pong, PATIENCE)
        assert client.close_code == 1000
        async with websockets.connect(f"ws://127.0.0.1:{node.port}/ws", origin=GOOD_ORIGIN) as client:
            await client.send(json.dumps({"action": "subscribe", "channel": "lib"}))
            await asyncio.wait_for(await client.ping(), PATIENCE)
            got = None
            for _ in range(50):
                await asyncio.to_thread(node.broadcast, "lib", "hello")
                try:
                    got = await asyncio.wait_for(client.recv(), 0.3)
                    break
                except asyncio.TimeoutError:
                    continue
            assert got == "hello"

    asyncio.run(converse())


def test_many_websockets(node: Node) -> None:
    """Two hundred of them at once, all hear all."""
    async def converse() -> None:
        clients = await asyncio.gather(*(websockets.connect(f"ws://127.0.0.1:{node.port}/app/{APP_KEY}?protocol=7") for _ in range(200)))
        for client in clients:
            assert json.loads(await client.recv())["event"] == "pusher:connection_established"
            await client.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": "all"}}))
        for client in clients:
            assert json.loads(await client.recv())["event"] == "pusher_internal:subscription_succeeded"
        await clients[0].send(json.dumps({"event": "client-hello", "channel": "all", "data": {"n": 1}}))
        for client in clients[1:]:
            assert json.loads(await asyncio.wait_for(client.recv(), PATIENCE))["event"] == "client-hello"
        await asyncio.gather(*(client.close() for client in clients))
        assert {client.close_code for client in clients} == {1000}

    asyncio.run(converse())


def node_ws(url: str, origin: str, kind: str) -> subprocess.Popen[str]:
    """A client on Node's ws, as Debian packages it."""
    program = shutil.which("node") or shutil.which("nodejs")
    assert program, "Node is missing: the packages nodejs and node-ws"
    script = Path(__file__).parent / "node_client.js"
    paths = os.pathsep.join(filter(None, ["/usr/share/nodejs", os.environ.get("NODE_PATH")]))
    return subprocess.Popen([program, str(script), url, origin, kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=os.environ | {"NODE_PATH": paths})


def test_node_ws_echo(node: Node) -> None:
    client = node_ws(f"ws://127.0.0.1:{node.port}/echo", GOOD_ORIGIN, "echo")
    _, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors


def test_node_ws_realtime(node: Node) -> None:
    client = node_ws(f"ws://127.0.0.1:{node.port}/ws", GOOD_ORIGIN, "realtime")
    assert client.stdout is not None and client.stdout.readline().strip() == "ready"
    wait_until(lambda: node.metrics().value("subscriptions") >= 1, "it is subscribed")
    for text in ("first", "Zo\u00eb \u2603", "x" * 5000, "end"):
        assert node.broadcast("from-ws", text).status == 202
    rest, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    assert [json.loads(line) for line in rest.splitlines()] == ["first", "Zo\u00eb \u2603", "x" * 5000, "end"]


def test_php_publishes(node: Node) -> None:
    """PHP signs and posts an event as Laravel's broadcaster does; a browser's client gets it."""
    client = PusherClient(node)
    client.subscribe("orders")
    script = Path(__file__).parent / "php_publisher.php"
    result = subprocess.run(["php", str(script), str(node.port), APP_ID, APP_KEY, APP_SECRET, "orders", "shipped", '{"id":7,"name":"ä"}'],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    assert (result.returncode, result.stdout) == (0, "200 {}\n"), result
    event = client.read_event("shipped")
    assert event["channel"] == "orders" and json.loads(event["data"]) == {"id": 7, "name": "ä"}
