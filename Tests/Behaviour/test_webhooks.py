"""Webhooks: what is told to whom, signed, in batches; and endpoints that do everything wrong (hardening 3.21)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from conftest import is_sanitized
from harness.client import wait_until
from harness.node import BASE, Node, Variant, free_port
from harness.pusher import PusherClient, trigger
from harness.receiver import Receiver

pytestmark = pytest.mark.skipif(is_sanitized(), reason="built without the client for webhooks")

SOME = [Variant("uring", 4), Variant("epoll", 1)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def configured(folder: Path, endpoints: list[dict[str, Any]], allowed: str = "127.0.0.0/8", **webhooks: Any):
    """Settings of a node whose application has these endpoints."""
    path = folder / "clarion.toml"
    lines = ["[webhooks]", f"allowed_networks = [{json.dumps(allowed)}]" if allowed else ""]
    lines += [f"{name} = {json.dumps(value)}" for name, value in webhooks.items()]
    lines += ["[[apps]]", 'id = "app-id"', 'key = "app-key"', 'secret = "app-secret"']
    for endpoint in endpoints:
        lines.append("[[apps.webhooks]]")
        for name, value in endpoint.items():
            lines.append(f"{name} = {json.dumps(value)}" if not isinstance(value, dict)
                         else f"{name} = {{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + " }")
    path.write_text("\n".join(lines) + "\n")
    return BASE.with_flags("--config", str(path))


def value(node: Node, name: str, **labels: str) -> float:
    """A metric of the webhook service."""
    for _, found, number in node.metrics().families[f"clarion_webhook_{name}"].samples:
        if all(found.get(k) == v for k, v in labels.items()):
            return number
    raise AssertionError(f"no {name} {labels}")


@pytest.mark.variants(SOME)
def test_channels_that_fill_and_empty(start, receiver: Receiver, tmp_path: Path, variant: Variant) -> None:
    """Occupied once and vacated once, whatever the number of subscribers and workers; a reconnect within the grace tells nothing."""
    node = start(configured(tmp_path, [{"url": receiver.url("/ok?token=1"), "events": ["channel_occupied", "channel_vacated"],
                                        "headers": {"X-Extra": "yes"}}], grace_seconds=2), variant)
    clients = [PusherClient(node) for _ in range(6)]
    for client in clients:
        client.subscribe("room", "other")
    occupied = receiver.wait_for(2)
    assert sorted(event["channel"] for event in occupied) == ["other", "room"]
    assert {event["name"] for event in occupied} == {"channel_occupied"}
    for hook in receiver.at("/ok"):
        assert hook.is_signed("app-key", "app-secret"), hook
        assert hook.headers["Content-Type"] == "application/json" and hook.headers["X-Extra"] == "yes"
        assert abs(json.loads(hook.body)["time_ms"] / 1000 - time.time()) < 300
    # All leave, and one is back before anybody is told.
    for client in clients:
        client.event("pusher:unsubscribe", {"channel": "room"})
        client.sync()
    back = PusherClient(node)
    back.subscribe("room")
    wait_until(lambda: value(node, "events_cancelled_total") == 2, "leaving and coming back cancel each other")
    for client in clients:
        client.event("pusher:unsubscribe", {"channel": "other"})
    events = receiver.wait_for(3)
    assert events[2] == {"name": "channel_vacated", "channel": "other"} and len(events) == 3
    # A node that stops waits for nothing: room is told now.
    node.stop_clean()
    assert receiver.wait_for(4)[3] == {"name": "channel_vacated", "channel": "room"}


@pytest.mark.variants(SOME)
def test_client_events_and_filters(start, receiver: Receiver, tmp_path: Path, variant: Variant) -> None:
    """Client events with their data and sender; counts; each endpoint gets what it asked for, in one request."""
    node = start(configured(tmp_path, [
        {"url": receiver.url("/ok"), "events": ["client_event"], "channel_prefix": "chat-"},
        {"url": receiver.url("/counts"), "events": ["subscription_count"], "channel_suffix": "-eu"}],
        batch_milliseconds=300), variant)
    one, two = PusherClient(node), PusherClient(node)
    for client in (one, two):
        client.subscribe("chat-eu", "news-eu", "chat-us")
    for number in range(5):
        one.event("client-typing", {"n": number, "text": "é\"\\"}, "chat-eu")
        one.event("client-typing", {"n": number}, "news-eu")
    for number in range(5):
        assert two.read_event("client-typing")["channel"] == "chat-eu"
        assert two.read_event("client-typing")["channel"] == "news-eu"
    events = receiver.wait_for(5)
    assert [event["data"]["n"] for event in events] == list(range(5)) and len(events) == 5
    assert events[0] == {"name": "client_event", "channel": "chat-eu", "event": "client-typing", "data": {"n": 0, "text": "é\"\\"},
                         "socket_id": one.socket_id}
    assert len(receiver.at("/ok")) < 5, "events go together"
    counts = receiver.wait_for(4, "/counts")
    assert {event["channel"] for event in counts} == {"chat-eu", "news-eu"}
    assert [event["subscription_count"] for event in counts if event["channel"] == "chat-eu"][-1] == 2


@pytest.mark.variants(SOME)
def test_bad_endpoints_cost_nobody_anything(start, receiver: Receiver, tmp_path: Path, variant: Variant) -> None:
    """Failing, silent, redirecting, endless, internal and absent endpoints: the good one beside them is told, messages go on, and
    each outcome is counted."""
    outside = Receiver()
    bad = ["/500", "/slow", "/redirect", "/huge"]
    endpoints = [{"url": receiver.url(path), "events": ["channel_occupied"]} for path in [*bad, "/ok"]]
    endpoints += [{"url": url, "events": ["channel_occupied"]} for url in
                  ["http://10.11.12.13/latest/meta-data", "http://169.254.169.254/", "http://[::1]:1/", f"http://127.0.0.1:{free_port()}/"]]
    node = start(configured(tmp_path, endpoints, timeout_seconds=2, batch_milliseconds=10), variant)
    client = PusherClient(node)
    for number in range(20):
        client.subscribe(f"c{number}")
    assert len(receiver.wait_for(20)) == 20
    wait_until(lambda: value(node, "requests_total", outcome="server_error") >= 3, "the failing one is asked again")
    wait_until(lambda: value(node, "requests_total", outcome="timed_out") >= 1, "the silent one is given up")
    assert value(node, "requests_total", outcome="redirect") >= 1 and not receiver.at("/elsewhere") and not outside.hooks
    assert value(node, "requests_total", outcome="unreachable") >= 1
    assert value(node, "requests_total", outcome="address_refused") >= 3
    # Of an endless answer little is read: what is under way in buffers, not the gigabyte.
    assert len(receiver.events("/huge")) == 20 and receiver.sent_bytes < 64 << 20
    # Five failures in a row: the endpoint rests.
    wait_until(lambda: value(node, "endpoints", state="open") >= 1, "an endpoint rests", 60)
    started = time.monotonic()
    for number in range(50):
        assert trigger(node, "c0", data=str(number)).status == 200
        assert client.read_event("my-event")["data"] == str(number)
    assert time.monotonic() - started < 20
    assert value(node, "events_waiting") > 0 and value(node, "requests_in_flight") >= 0
    outside.close()
    # It stops in time, though some still hang.
    node.stop_clean()
    assert "token" not in node.output()


def test_an_endpoint_that_comes_back(start, receiver: Receiver, tmp_path: Path) -> None:
    """What failed is sent again, in order, and nothing is lost or doubled."""
    node = start(configured(tmp_path, [{"url": receiver.url("/flaky"), "events": ["channel_occupied"]}]), SOME[0])
    client = PusherClient(node)
    client.subscribe("first")
    wait_until(lambda: len(receiver.at("/flaky")) >= 2, "it is tried again")
    failed = len(receiver.at("/flaky"))
    receiver.mended.set()
    client.subscribe("second")
    wait_until(lambda: value(node, "events_delivered_total") == 2, "both are confirmed")
    hooks = receiver.at("/flaky")
    assert all(event["channel"] == "first" for hook in hooks[:failed] for event in hook.events)
    confirmed = [event["channel"] for hook in hooks[failed:] for event in hook.events]
    assert [name for name in dict.fromkeys(confirmed)] == ["first", "second"]
    assert value(node, "endpoints", state="closed") == 1


def test_internal_addresses_are_refused_unless_allowed(start, receiver: Receiver, tmp_path: Path) -> None:
    """By default nothing goes to this machine, by whatever name; a reload may allow it."""
    urls = [receiver.url("/ok"), f"http://localhost:{receiver.port}/ok", f"http://0.0.0.0:{receiver.port}/ok",
            f"http://[::ffff:127.0.0.1]:{receiver.port}/ok", f"http://2130706433:{receiver.port}/ok"]
    settings = configured(tmp_path, [{"url": url, "events": ["channel_occupied"]} for url in urls], allowed="", batch_milliseconds=1)
    node = start(settings, SOME[0])
    PusherClient(node).subscribe("a")
    wait_until(lambda: value(node, "requests_total", outcome="address_refused") + value(node, "requests_total", outcome="unreachable") >= 5,
               "all are judged")
    assert value(node, "requests_total", outcome="address_refused") >= 4 and not receiver.hooks
    configured(tmp_path, [{"url": url, "events": ["channel_occupied"]} for url in urls], batch_milliseconds=1)
    node.process.send_signal(1)
    assert receiver.wait_for(1)[0] == {"name": "channel_occupied", "channel": "a"}
