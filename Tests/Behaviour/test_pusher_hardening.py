"""Rows 3.1 to 3.3 and 3.9 to 3.11 of the hardening list: hostile JSON, wrong types, signatures on every route, bodies, repetition."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from harness.node import APP_ID, USUAL, Node
from harness.pusher import PusherClient, api, data_of, dumps, signed_target, trigger

LARGE = USUAL.with_environment(REVERB_APP_MAX_MESSAGE_SIZE="1048576", CLARION_MAX_REQUEST_BYTES="2000000", CLARION_LIMITS_LOG_BYTES_MAX="4194304")
HOSTILE = {
    "depth": "[" * 100_000, "closed depth": '{"a":' * 100_000 + "1" + "}" * 100_000, "number": '{"event":' + "9" * 1_000_000 + "}",
    "keys": "{" + ",".join(f'"k{n}":1' for n in range(90_000)) + "}", "lone surrogate": '{"event":"\\ud800"}', "mark": "\ufeff{}",
    "nul": '{"event":"a\\u0000b"}', "raw nul": '{"event":"a\x00b"}', "trailing": '{"event":"pusher:ping"} x', "nan": '{"event":NaN}',
    "comment": '{"event":"pusher:ping" /* x */}', "two values": '{"event":"pusher:ping"}{"event":"pusher:ping"}',
}


@pytest.mark.settings(LARGE)
@pytest.mark.parametrize("name", HOSTILE)
def test_3_1_hostile_json(node: Node, name: str) -> None:
    """3.1: an error or silence, in linear time; the same text over HTTP is 400 or 422."""
    client = PusherClient(node)
    started = time.monotonic()
    client.text(HOSTILE[name])
    for got in client.sync():
        assert got["event"] == "pusher:error" and data_of(got)["code"] == 4200
    assert api(node, "POST", "/events", HOSTILE[name].encode()).status in (400, 422)
    assert time.monotonic() - started < 20


def test_3_1_the_last_of_equal_keys_counts(node: Node) -> None:
    """3.1: everywhere the same."""
    client = PusherClient(node)
    client.text('{"event":"x","event":"pusher:subscribe","data":{"channel":"a","channel":"b"}}')
    assert client.read_json()["channel"] == "b"
    assert api(node, "POST", "/events", b'{"name":"n","channel":"a","channel":"b","data":"1","data":"2"}').status == 200
    assert client.read_json()["data"] == "2"


TYPES: list[Any] = [5, 1.5, True, None, [], {}, ["x"], {"x": 1}, ""]


@pytest.mark.parametrize("field", ["event", "data", "channel"])
def test_3_2_wrong_types_in_messages(node: Node, field: str) -> None:
    """3.2: every field times every type: an error reply or nothing, and the connection stays."""
    client = PusherClient(node)
    for event in ("pusher:subscribe", "pusher:unsubscribe", "pusher:signin", "pusher:ping", "client-x", "other"):
        for value in TYPES:
            client.json({"event": event, "data": {"channel": "a"}, "channel": "a"} | {field: value})
    for got in client.sync():
        assert got["event"] in ("pusher:error", "pusher:pong", "pusher_internal:subscription_succeeded"), got
    for inner in ("channel", "auth", "channel_data"):
        for value in TYPES:
            client.json({"event": "pusher:subscribe", "data": {"channel": "private-a", "auth": "x", "channel_data": "{}"} | {inner: value}})
    for got in client.sync():
        assert got["event"] == "pusher:error" and data_of(got)["code"] in (4009, 4200), got


def test_3_3_names_of_the_protocol(node: Node) -> None:
    """3.3: neither clients nor publishers may use them."""
    client, other = PusherClient(node), PusherClient(node)
    for each in (client, other):
        each.subscribe("room")
    for name in ("pusher:x", "pusher_internal:member_added", "pusher_internal:subscription_succeeded", "pusher:error"):
        client.event(name, {}, channel="room")
        client.read_error(4200)
        body = {"name": name, "channel": "room", "data": "x"}
        assert api(node, "POST", "/events", body).status == 422
        assert api(node, "POST", "/batch_events", {"batch": [body]}).status == 422
    assert other.sync() == []


ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/events", {"name": "e", "channel": "c", "data": "d"}), ("POST", "/batch_events", {"batch": [{"name": "e", "channel": "c", "data": "d"}]}),
    ("GET", "/channels", None), ("GET", "/channels/c", None), ("GET", "/channels/presence-c/users", None), ("GET", "/connections", None),
    ("POST", "/users/u/terminate_connections", {}),
]
DEFECTS: dict[str, dict[str, Any]] = {
    "no signature": {"override": {"auth_signature": None}}, "no key": {"override": {"auth_key": None}}, "no time": {"override": {"auth_timestamp": None}},
    "no version": {"override": {"auth_version": None}}, "version": {"override": {"auth_version": "2.0"}}, "old": {"age": 700},
    "early": {"age": -700}, "time": {"override": {"auth_timestamp": "1e9"}}, "md5": {"override": {"body_md5": "0" * 32}},
    "signature": {"override": {"auth_signature": "0" * 64}}, "cut": {"override": {"auth_signature": "0" * 63}}, "secret": {"secret": "other"},
    "key": {"key": "other"}, "added": {"override": {"info": "user_count"}}, "upper": {"override": {"auth_signature": "A" * 64}},
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_3_9_every_route_and_every_defect(node: Node, defect: str) -> None:
    """3.9: 401 on every route, and nothing is published."""
    listener = PusherClient(node)
    listener.subscribe("c")
    options = dict(DEFECTS[defect])
    if "age" in options:
        options["timestamp"] = int(time.time()) - options.pop("age")
    for method, path, body in ROUTES:
        answer = api(node, method, path, body, **options)
        assert answer.status == 401, (method, path, answer)
        payload = b"" if body is None else dumps(body).encode()
        target = signed_target(method, f"/apps/{APP_ID}{path}", payload)
        assert node.request(method, target + "&auth_key=app-key", payload).status == 401, "a parameter twice"
        assert node.request(method, target, payload + b" ").status in (400, 401), "another body"
        assert node.request(method, target.replace(path, "/channels/other" if path == "/channels" else path + "x"), payload).status in (401, 404, 413)
    assert listener.sync() == []


def test_3_9_what_sdks_do(node: Node) -> None:
    """3.9: the empty body's MD5 on a GET, names in capitals, any order, values that are encoded on their way."""
    for query in ({"body_md5": "d41d8cd98f00b204e9800998ecf8427e"}, {"info": "user_count,subscription_count"}, {"filter_by_prefix": "presence-", "info": "user_count"}):
        assert api(node, "GET", "/channels", query=query).status == 200
    target = signed_target("GET", f"/apps/{APP_ID}/channels")
    path, _, query = target.partition("?")
    assert node.request("GET", path + "?" + "&".join(reversed(query.split("&")))).status == 200
    assert node.request("GET", path + "?" + query.replace("auth_key", "AUTH_KEY")).status == 200


BODIES = [b"", b"rubbish", b"[]", b"null", b"5", b'{"name":"e"', b"{}", b'{"name":"e","channel":"c"}', b"\xff\xfe", b'{"batch":5}']


@pytest.mark.parametrize("body", BODIES)
def test_3_10_bodies(node: Node, body: bytes) -> None:
    """3.10: rightly signed, and no event: 400 or 422, and the connection can be used again."""
    for path in ("/events", "/batch_events"):
        assert api(node, "POST", path, body).status in (400, 422)
    assert trigger(node, "c").status == 200


def test_3_10_cut_bodies(node: Node) -> None:
    """3.10: who goes in the middle of a body leaves nothing; what is announced too large is refused before it comes."""
    body = dumps({"name": "e", "channel": "c", "data": "d"}).encode()
    target = signed_target("POST", f"/apps/{APP_ID}/events", body)
    for head in (f"Content-Length: {len(body)}\r\n", "Transfer-Encoding: chunked\r\n"):
        raw = node.raw()
        raw.send(f"POST {target} HTTP/1.1\r\nHost: a\r\n{head}\r\n".encode() + (b"20\r\n" if "chunked" in head else b"") + body[:10])
        raw.reset()
    raw = node.raw()
    raw.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n".encode())
    answer = raw.read_response()
    assert answer.status == 413 and b"104857600" in answer.body
    assert trigger(node, "c").status == 200


def expect_events(client: PusherClient, count: int) -> None:
    """So many messages come, and no more. (A pong may overtake a message that came to the worker in the same turn.)"""
    for _ in range(count):
        assert not client.read_json()["event"].startswith("pusher")
    assert client.sync() == []


def keyed(node: Node, key: str, channel: str = "once", **more: Any):
    """POST /events with a key in the body."""
    return api(node, "POST", "/events", {"name": "e", "channel": channel, "data": "d", "idempotency_key": key} | more)


def test_3_11_a_key_publishes_once(node: Node) -> None:
    """3.11: the first answer again and one delivery; without a key, with another key or application, one more each."""
    client = PusherClient(node)
    client.subscribe("once")
    first = keyed(node, "k1", info="subscription_count")
    for _ in range(5):
        again = keyed(node, "k1", info="subscription_count")
        assert (again.status, again.body) == (first.status, first.body)
    assert first.json() == {"channels": {"once": {"subscription_count": 1}}}
    assert client.read_json()["channel"] == "once"
    assert client.sync() == []
    for key in ("k2", "k3", "x" * 128):
        assert keyed(node, key).json() == {}
    trigger(node, "once")
    trigger(node, "once")
    expect_events(client, 5)


def test_3_11_the_key_in_the_head(node: Node) -> None:
    """3.11: as a field of the request; batches too."""
    client = PusherClient(node)
    client.subscribe("once")
    for path, body in (("/events", {"name": "e", "channel": "once", "data": "d"}), ("/batch_events", {"batch": [{"name": "e", "channel": "once", "data": "d"}] * 3})):
        payload = dumps(body).encode()
        for _ in range(3):
            target = signed_target("POST", f"/apps/{APP_ID}{path}", payload)
            answer = node.request("POST", target, payload, {"X-Idempotency-Key": f"head {path}"})
            assert answer.status == 200
    expect_events(client, 4)


@pytest.mark.parametrize("key", ["", "x" * 129, 5, True, ["x"], {}])
def test_3_11_keys_that_are_none(node: Node, key: Any) -> None:
    """3.11: 400, and the length is told."""
    answer = keyed(node, key)
    assert answer.status == 400 and b"128" in answer.body


def test_3_11_a_refused_request_does_not_use_up_its_key(node: Node) -> None:
    client = PusherClient(node)
    client.subscribe("once")
    assert keyed(node, "later", name="").status == 422
    assert keyed(node, "later", data="x" * 11_000).status == 413
    assert keyed(node, "later").status == 200
    expect_events(client, 1)


def test_3_11_a_key_with_another_body(node: Node) -> None:
    """3.11: 422 with a sentence, and nothing is published; the first request is answered as before."""
    client = PusherClient(node)
    client.subscribe("once")
    assert keyed(node, "mine", data="one").status == 200
    answer = keyed(node, "mine", data="two")
    assert answer.status == 422 and b"another body" in answer.body, answer
    assert keyed(node, "mine", data="one").status == 200
    expect_events(client, 1)


def test_3_11_a_key_is_of_the_whole_request(node: Node) -> None:
    """A key in an item of a batch is refused, rather than overlooked; beside `batch` it holds for all of it."""
    client = PusherClient(node)
    client.subscribe("once")
    item = {"name": "e", "channel": "once", "data": "d"}
    answer = api(node, "POST", "/batch_events", {"batch": [item, item | {"idempotency_key": "k"}]})
    assert answer.status == 422 and list(answer.json()) == ["batch.1.idempotency_key"]
    for _ in range(3):
        answer = api(node, "POST", "/batch_events", {"batch": [item, item | {"info": "subscription_count"}], "idempotency_key": "batch"})
        assert answer.json() == {"batch": [{}, {"subscription_count": 1}]}
    expect_events(client, 2)


def test_3_11_a_storm_of_repetitions(node: Node) -> None:
    """3.11: many at the same time: one delivery; each is answered as the first, or told to come again."""
    client = PusherClient(node)
    client.subscribe("once")
    answers: list[int] = []

    def publish() -> None:
        for _ in range(10):
            answers.append(keyed(node, "storm").status)

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 80 and set(answers) <= {200, 503} and 200 in answers
    expect_events(client, 1)


def test_exclusion_holds_on_every_channel(node: Node) -> None:
    """One socket is left out of a trigger to many channels, wherever it and they have their homes."""
    excluded, other = PusherClient(node), PusherClient(node)
    names = [f"ex-{n}" for n in range(20)]
    for client in (excluded, other):
        client.subscribe(*names)
    assert trigger(node, names, socket_id=excluded.socket_id).status == 200
    assert {other.read_json()["channel"] for _ in names} == set(names)
    assert excluded.sync() == []
