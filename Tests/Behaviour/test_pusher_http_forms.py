"""The signed HTTP API in all forms that HTTP allows: chunked, with Expect, with a body on GET, and the exact answers of every endpoint."""

from __future__ import annotations

import pytest

from harness.node import APP_ID, Node
from harness.pusher import PusherClient, api, data_of, dumps, signed_target, trigger
from harness.signing import channel_auth

EVENT = {"name": "my-event", "channel": "forms", "data": "{}"}
PATH = f"/apps/{APP_ID}"


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_a_chunked_body_is_signed_as_a_whole(node: Node, pieces: int) -> None:
    """The signature and body_md5 are of the content, not of its chunks."""
    with PusherClient(node) as client:
        client.subscribe("forms")
        body = dumps(EVENT).encode()
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[n:n + pieces] for n in range(0, len(body), pieces))) + b"0\r\n\r\n"
        target = signed_target("POST", f"{PATH}/events", body)
        with node.raw() as raw:
            for _ in range(2):
                raw.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks)
                answer = raw.read_response()
                assert (answer.status, answer.body) == (200, b"{}")
        assert [data_of(client.read_event("my-event")) for _ in range(2)] == [{}, {}]


def test_who_asks_first_is_told_to_go_on(node: Node) -> None:
    """`Expect: 100-continue`: 100, then the answer, and the connection goes on; what is too large is refused before it comes."""
    body = dumps(EVENT).encode()
    target = signed_target("POST", f"{PATH}/events", body)
    with node.raw() as raw:
        for _ in range(2):
            raw.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
            assert raw.read_response().status == 100
            raw.send(body)
            answer = raw.read_response()
            assert (answer.status, answer.body) == (200, b"{}")
        raw.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = raw.read_response()
        assert answer.status == 413 and b"1000000" in answer.body


@pytest.mark.parametrize("body", [b"{}", b"x" * 1000])
def test_a_get_with_a_body(node: Node, body: bytes) -> None:
    """Its body counts for the signature as any other, and for nothing else; the connection goes on behind it."""
    with node.raw() as raw:
        for status, target in ((200, signed_target("GET", f"{PATH}/channels", body)), (401, signed_target("GET", f"{PATH}/channels"))):
            raw.send(f"GET {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = raw.read_response()
            assert answer.status == status
            assert status == 401 or answer.json() == {"channels": {}}


def test_exact_bodies(node: Node) -> None:
    """Byte for byte what each endpoint says when all is well, and its type."""
    member = dumps({"user_id": "7", "user_info": {"name": "Ann"}})
    with PusherClient(node) as client:
        client.subscribe("plain")
        client.subscribe("cache-kept")
        client.read_event("pusher:cache_miss")
        client.event("pusher:subscribe", {"channel": "presence-p", "auth": channel_auth(client.socket_id, "presence-p", member), "channel_data": member})
        client.read_event("pusher_internal:subscription_succeeded")
        assert trigger(node, "cache-kept", data="kept").body == b"{}"
        item = {"name": "e", "data": "d"}
        for method, path, body, query, wanted in (
            ("POST", "/events", item | {"channel": "nobody"}, {}, b"{}"),
            ("POST", "/events", item | {"channels": ["plain", "presence-p"], "info": "subscription_count,user_count"}, {},
             b'{"channels":{"plain":{"subscription_count":1},"presence-p":{"user_count":1}}}'),
            ("POST", "/batch_events", {"batch": [item | {"channel": "plain"}]}, {}, b'{"batch":{}}'),
            ("POST", "/batch_events", {"batch": [item | {"channel": "plain", "info": "subscription_count"}, item | {"channel": "plain"}]}, {},
             b'{"batch":[{"subscription_count":1},{}]}'),
            ("GET", "/channels", None, {"filter_by_prefix": "presence-", "info": "user_count"}, b'{"channels":{"presence-p":{"user_count":1}}}'),
            ("GET", "/channels", None, {"filter_by_prefix": "none"}, b'{"channels":{}}'),
            ("GET", "/channels/plain", None, {}, b'{"occupied":true}'),
            ("GET", "/channels/plain", None, {"info": "subscription_count"}, b'{"occupied":true,"subscription_count":1}'),
            ("GET", "/channels/nobody", None, {}, b'{"occupied":false}'),
            ("GET", "/channels/presence-p/users", None, {}, b'{"users":[{"id":"7"}]}'),
            ("GET", "/connections", None, {}, b'{"connections":1}'),
            ("POST", "/users/nobody/terminate_connections", {}, {}, b"{}")):
            answer = api(node, method, path, body, query)
            assert (answer.status, answer.body, answer.fields["content-type"]) == (200, wanted, "application/json"), (path, answer)
        cached = api(node, "GET", "/channels/cache-kept", query={"info": "cache"}).json()
        assert cached["occupied"] and cached["cache"]["data"] == "kept" and 0 < cached["cache"]["ttl"] <= 1800
        for path, status in (("/channels/nobody/users", 404), ("/channels/plain/users", 400)):
            answer = api(node, "GET", path)
            assert (answer.status, answer.body) == (status, b"{}")
        client.sync()
