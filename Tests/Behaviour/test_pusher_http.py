"""The HTTP API of the Pusher protocol: signatures, publishing, batches, queries."""

from __future__ import annotations

import time

import pytest

from conftest import ONE_OF_EACH
from harness.node import USUAL, Node
from harness.pusher import PusherClient, api, dumps, signed_target, trigger
from test_pusher import TWO_APPS

ANY_TIME = USUAL.with_environment(CLARION_AUTH_TIMESTAMP_TOLERANCE_SECONDS="0")

EVENTS = "/apps/app-id/events"
VECTORS = [
    ("POST", EVENTS, "", r'{"name":"my-event","channel":"my-channel","data":"{\"hello\":\"world\"}"}', "349c71b13ec8d76fc16325f273365ba5",
     "7496137a76b0f3ca46fa2ca46e4d0aabeb67b5bc32181d60a42aa561a33b3e57"),
    ("POST", EVENTS, "", r'{"name":"my-event","channels":["my-channel","presence-foo"],"data":"{\"hello\":\"world\"}","socket_id":"1234.5678",'
     r'"info":"user_count,subscription_count"}', "4a7e995f46a097a42b7d071ebba150af", "03bf6ed30c6d8bbacb3e642f9babce8d7714513ec5d8455e28248bb11e0681f1"),
    ("POST", EVENTS, "", '{"name":"my-event","channel":"my-channel","data":"Zo\u00eb \u2603"}', "a7f014c9e27770bea26e7f5e2db63891",
     "8a7e8f7cdaad2d0d1bbf1fa13e5f497122619185c945c44ac0ad50f45c3c327d"),
    ("POST", "/apps/app-id/batch_events", "", r'{"batch":[{"name":"e1","channel":"c1","data":"\"a\""},{"name":"e2","channel":"c2","data":"\"b\"",'
     r'"socket_id":"1234.5678"}]}', "c111e4e39963840f9aa5c35f13ec91c1", "4d3d0a81459cba52deca805c7dcf5ed054b8c919293a044930f9e3e8c1afd12b"),
    ("GET", "/apps/app-id/channels", "", "", "", "f5cc9dde83ebbd9328d72e076c2b869cdffad888c45f61285077cfc4ca1eca65"),
    ("GET", "/apps/app-id/channels", "body_md5=d41d8cd98f00b204e9800998ecf8427e", "", "", "6a2f213f5ea86fd2cc8f4e738bac95efd868e894a2ab76d0e89393b2999b70ad"),
    ("GET", "/apps/app-id/channels", "info=subscription_count", "", "", "f451efbdce56100e91f6ca02d5d8944e980d6cee48824595dcf28086b374d7b9"),
    ("GET", "/apps/app-id/channels", "filter_by_prefix=presence-&info=user_count", "", "", "fd5a1b38d92aee2b7913a8cf43136cffab888ee5a097536910d6239f08eb68a2"),
    ("GET", "/apps/app-id/channels/my-channel", "info=subscription_count", "", "", "4cbf92a410510162999714aea50fa5c0ac6947fd883c0f85f9cca4692d2a4df6"),
    ("GET", "/apps/app-id/channels/cache-foo", "info=subscription_count%2Ccache", "", "", "c946bedb69f1be2667e99226bbeef7c975de642b42696a5b29f1554dbcda097d"),
    ("GET", "/apps/app-id/connections", "", "", "", "df5ef5cccc6021bf3b948739cba19a31a3e90ac3185c64e1dfdf44efc377f4b2"),
]


def vector_request(node: Node, method: str, path: str, query: str, body: str, md5: str, signature: str):
    """Sends a request of the table as it stands."""
    parts = [query] if query else []
    parts += ["auth_key=app-key", "auth_timestamp=1700000000", "auth_version=1.0"]
    if md5:
        parts.append(f"body_md5={md5}")
    parts.append(f"auth_signature={signature}")
    return node.request(method, path + "?" + "&".join(parts), body.encode(), {"Content-Type": "application/json"} if body else None)


@pytest.mark.settings(ANY_TIME)
@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_vectors(node: Node, number: int) -> None:
    """Signatures that were computed elsewhere are accepted; with one digit changed they are not."""
    vector = VECTORS[number]
    response = vector_request(node, *vector)
    assert response.status == 200, response
    wrong = vector[5][:-1] + ("0" if vector[5][-1] != "0" else "1")
    assert vector_request(node, *vector[:5], wrong).status == 401


def test_old_time_stamps(node: Node) -> None:
    """601 s off is refused, 590 s are not."""
    for offset, status in ((0, 200), (-590, 200), (590, 200), (-620, 401), (620, 401), (-10 ** 9, 401)):
        assert api(node, "GET", "/channels", timestamp=int(time.time()) + offset).status == status, offset
    for stamp in ("", "x", "-5", "9" * 30, "1e9", "0x5"):
        target = signed_target("GET", "/apps/app-id/channels", override={"auth_timestamp": stamp})
        assert node.request("GET", target).status in (400, 401)


BODY = b'{"name":"e","channel":"c","data":"d"}'


@pytest.mark.parametrize(("name", "options"), [
    ("secret", dict(secret="other")), ("key", dict(key="no-such-key")), ("truncated", dict(override={"auth_signature": "a" * 63})),
    ("empty", dict(override={"auth_signature": ""})), ("missing", dict(override={"auth_signature": None})),
    ("long", dict(override={"auth_signature": "a" * 1000})), ("no_digits", dict(override={"auth_signature": "z" * 64})),
    ("no_key", dict(override={"auth_key": None})), ("no_timestamp", dict(override={"auth_timestamp": None})),
    ("other_md5", dict(override={"body_md5": "0" * 32})), ("no_md5", dict(override={"body_md5": None})),
    ("added_parameter", dict(override={"added": "1"})), ("version", dict(override={"auth_version": "2.0"}))])
def test_wrong_signatures(node: Node, name: str, options: dict) -> None:
    """3.6: 401 for each, and nothing is published."""
    client = PusherClient(node)
    client.subscribe("c")
    response = node.request("POST", signed_target("POST", EVENTS, BODY, **options), BODY)
    assert response.status == 401, response
    for secret in (b"app-secret",):
        assert secret not in response.body
    assert client.sync() == []


def test_altered_requests(node: Node) -> None:
    """What is signed is this method, this path, this body, in this encoding."""
    target = signed_target("POST", EVENTS, BODY)
    assert node.request("POST", target, BODY).status == 200
    assert node.request("POST", target, BODY.replace(b'"d"', b'"x"')).status == 401
    assert node.request("POST", target.replace("/events", "/batch_events"), BODY).status == 401
    assert node.request("POST", target, b"").status == 401
    assert node.request("GET", signed_target("GET", "/apps/app-id/channels", query={"info": "subscription_count", "Z": "a b&c=d/\u2603"})).status == 200
    assert node.request("GET", signed_target("GET", "/apps/app-id/channels").replace("auth_key", "AUTH_KEY")).status in (200, 401)
    assert node.request("GET", "/apps/app-id/channels").status == 401


@pytest.mark.settings(TWO_APPS)
def test_tenants(node: Node) -> None:
    """3.19: key and secret of one application open nothing of another; an unknown one is 404."""
    assert api(node, "GET", "/channels", app="app-2", key="key-2", secret="secret-2").status == 200
    assert api(node, "GET", "/channels", app="app-2").status == 401
    assert api(node, "GET", "/channels", app="app-2", key="key-2").status == 401
    assert api(node, "GET", "/channels", app="app-2", key="app-key", secret="secret-2").status == 401
    assert api(node, "GET", "/channels", app="no-such-app").status == 404
    one, two = PusherClient(node), PusherClient(node, key="key-2")
    one.subscribe("same", "mine")
    two.subscribe("same")
    assert api(node, "GET", "/channels").json() == {"channels": {"same": {}, "mine": {}}}
    assert api(node, "GET", "/channels", app="app-2", key="key-2", secret="secret-2").json() == {"channels": {"same": {}}}
    response = api(node, "POST", "/events", {"name": "e", "channel": "same", "data": "x", "socket_id": one.socket_id}, app="app-2", key="key-2",
                   secret="secret-2")
    assert response.status == 200
    assert two.read_json()["data"] == "x" and one.sync() == []


# publishing

def test_several_channels(node: Node) -> None:
    clients = [PusherClient(node) for _ in range(3)]
    for number, client in enumerate(clients):
        client.subscribe(f"c{number}", "common")
    assert trigger(node, ["c0", "c1", "common"]).status == 200
    # A reply such as a pong may pass messages of channels that wait with it.
    for client, channels in zip(clients, (["c0", "common"], ["c1", "common"], ["common"])):
        assert sorted(client.read_json()["channel"] for _ in channels) == channels
    for client in clients:
        assert client.sync() == []


def test_sync_sees_what_was_answered(node: Node) -> None:
    """A trigger that was answered has its place: a message published behind it comes later, everywhere."""
    client = PusherClient(node)
    client.subscribe("a", "b")
    for number in range(100):
        assert trigger(node, "a", data=str(number)).status == 200
        assert trigger(node, "b", data=str(number)).status == 200
    got = [client.read_json() for _ in range(200)]
    assert [(g["channel"], int(g["data"])) for g in got] == [(c, n) for n in range(100) for c in "ab"]


def test_excluded_socket(node: Node) -> None:
    """Excluded on every channel of the request; others hear it; an unknown or foreign id excludes nobody."""
    one, two = PusherClient(node), PusherClient(node)
    for client in (one, two):
        client.subscribe("a", "b")
    assert trigger(node, ["a", "b"], socket_id=one.socket_id).status == 200
    assert {two.read_json()["channel"], two.read_json()["channel"]} == {"a", "b"}
    assert one.sync() == []
    for unknown in ("1.1", "999999999.999999999"):
        assert trigger(node, "a", socket_id=unknown).status == 200
        assert one.read_json()["channel"] == "a" and two.read_json()["channel"] == "a"


def test_many_channels(node: Node) -> None:
    """100 are allowed, 101 are not."""
    client = PusherClient(node)
    client.subscribe(*(f"c{n}" for n in range(100)))
    assert trigger(node, [f"c{n}" for n in range(100)]).status == 200
    assert {client.read_json()["channel"] for _ in range(100)} == {f"c{n}" for n in range(100)}
    assert trigger(node, [f"c{n}" for n in range(101)]).status in (400, 422)
    assert client.sync() == []


BAD_EVENTS = ['', '[]', '"x"', '5', '{', 'null', '{}', '{"name":"e","channel":"c"}', '{"name":"e","data":"d"}', '{"channel":"c","data":"d"}',
              '{"name":5,"channel":"c","data":"d"}', '{"name":"","channel":"c","data":"d"}', '{"name":"e","channel":5,"data":"d"}',
              '{"name":"e","channels":"c","data":"d"}', '{"name":"e","channels":[5],"data":"d"}', '{"name":"e","channels":{},"data":"d"}',
              '{"name":"e","channel":"c","data":5}', '{"name":"e","channel":"c","data":{"a":1}}', '{"name":"e","channel":"c","data":null}',
              '{"name":"e","channel":"sp ace","data":"d"}', '{"name":"e","channel":"' + "c" * 201 + '","data":"d"}',
              '{"name":"' + "e" * 201 + '","channel":"c","data":"d"}', '{"name":"e","channel":"c","data":"d","socket_id":5}',
              '{"name":"e","channel":"c","data":"d"} x', '{"name":"e","channel":"c","data":"\\ud800"}', '[' * 2000]


@pytest.mark.parametrize("number", range(len(BAD_EVENTS)))
def test_bad_events(node: Node, number: int) -> None:
    """400 or 422, and nobody hears anything."""
    client = PusherClient(node)
    client.subscribe("c")
    response = api(node, "POST", "/events", BAD_EVENTS[number].encode())
    assert response.status in (400, 413, 422), (BAD_EVENTS[number][:60], response)
    assert client.sync() == []
    client.close()


def test_body_that_is_not_utf8(node: Node) -> None:
    assert api(node, "POST", "/events", b'{"name":"e","channel":"c","data":"\xff"}').status in (400, 422)


def test_internal_names(node: Node) -> None:
    """3.3: events named pusher: or pusher_internal: are not for applications to publish."""
    client = PusherClient(node)
    client.subscribe("c")
    for name in ("pusher:error", "pusher_internal:subscription_succeeded"):
        assert trigger(node, "c", name).status in (400, 422), name
    assert client.sync() == []


def test_data_size(node: Node) -> None:
    """4.3: 10 KiB of data are the documented bound: at it all is well, far beyond it 413."""
    client = PusherClient(node)
    client.subscribe("c")
    assert trigger(node, "c", data="x" * 10_000).status == 200
    assert len(client.read_json()["data"]) == 10_000
    for size in (20_000, 70_000):
        assert trigger(node, "c", data="x" * size).status == 413, size
    assert client.sync() == []


# batches

def test_batch(node: Node) -> None:
    one, two = PusherClient(node), PusherClient(node)
    one.subscribe("a", "b")
    two.subscribe("a")
    batch = [{"name": f"e{n}", "channel": "ab"[n % 2], "data": str(n)} for n in range(10)]
    batch[4]["socket_id"] = two.socket_id
    response = api(node, "POST", "/batch_events", {"batch": batch})
    assert (response.status, response.json()) == (200, {"batch": {}}), response
    assert [(g["event"], g["data"]) for g in (one.read_json() for _ in range(10))] == [(f"e{n}", str(n)) for n in range(10)]
    assert [two.read_json()["data"] for _ in range(4)] == ["0", "2", "6", "8"]
    assert one.sync() == two.sync() == []


def test_batch_with_info(node: Node) -> None:
    client = PusherClient(node)
    client.subscribe("a")
    response = api(node, "POST", "/batch_events", {"batch": [{"name": "e", "channel": "a", "data": "x", "info": "subscription_count"},
                                                             {"name": "e", "channel": "b", "data": "x"}]})
    assert (response.status, response.json()) == (200, {"batch": [{"subscription_count": 1}, {}]})


@pytest.mark.parametrize("body", [{"batch": [{"name": "e", "channel": "c", "data": "d"}] * 11}, {"batch": "x"}, {"batch": {"a": 1}}, {"batch": ["x"]}, {},
                                  {"batch": [{"name": "e", "channel": "c", "data": "d"}, {"name": "e", "channel": "c"}]}], ids=str)
def test_bad_batches(node: Node, body: dict) -> None:
    """Refused as a whole."""
    client = PusherClient(node)
    client.subscribe("c")
    assert api(node, "POST", "/batch_events", body).status in (400, 422)
    assert client.sync() == []


# queries

def test_channels(node: Node) -> None:
    assert api(node, "GET", "/channels").json() == {"channels": {}}
    clients = [PusherClient(node) for _ in range(3)]
    for number, client in enumerate(clients):
        client.subscribe("q-all", f"q-{number}", "other")
    response = api(node, "GET", "/channels")
    assert response.json() == {"channels": {c: {} for c in ("q-all", "q-0", "q-1", "q-2", "other")}}
    response = api(node, "GET", "/channels", query={"filter_by_prefix": "q-", "info": "subscription_count"})
    assert response.json() == {"channels": {"q-all": {"subscription_count": 3}, **{f"q-{n}": {"subscription_count": 1} for n in range(3)}}}
    assert api(node, "GET", "/channels", query={"filter_by_prefix": "none-"}).json() == {"channels": {}}
    for client in clients:
        client.say_goodbye()
    assert api(node, "GET", "/channels").json() == {"channels": {}}


def test_channel(node: Node) -> None:
    client = PusherClient(node)
    assert api(node, "GET", "/channels/room").json() == {"occupied": False}
    client.subscribe("room")
    assert api(node, "GET", "/channels/room").json() == {"occupied": True}
    assert api(node, "GET", "/channels/room", query={"info": "subscription_count"}).json() == {"occupied": True, "subscription_count": 1}
    got = api(node, "GET", "/channels/room", query={"info": "user_count,subscription_count,nonsense"})
    assert got.status in (200, 400) and (got.status == 400 or got.json()["subscription_count"] == 1)
    client.event("pusher:unsubscribe", {"channel": "room"})
    client.sync()
    assert api(node, "GET", "/channels/room").json() == {"occupied": False}


def test_counts_over_workers(node: Node) -> None:
    """Queries ask all workers: forty connections wherever they landed."""
    clients = [PusherClient(node) for _ in range(40)]
    for client in clients:
        client.subscribe("spread")
    got = api(node, "GET", "/channels/spread", query={"info": "subscription_count"}).json()
    assert got == {"occupied": True, "subscription_count": 40}
    assert trigger(node, "spread", info="subscription_count").json() == {"channels": {"spread": {"subscription_count": 40}}}
    assert api(node, "GET", "/connections").json()["connections"] >= 40
    for client in clients:
        assert client.read_json()["event"] == "my-event"
        client.say_goodbye()
    assert api(node, "GET", "/connections").json() == {"connections": 0}


def test_info_of_a_trigger(node: Node) -> None:
    client = PusherClient(node)
    client.subscribe("a")
    response = trigger(node, ["a", "b"], info="subscription_count")
    assert response.json() == {"channels": {"a": {"subscription_count": 1}, "b": {"subscription_count": 0}}}


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/events", 405), ("PUT", "/events", 405), ("POST", "/channels", 405), ("DELETE", "/channels", 405), ("GET", "/batch_events", 405),
    ("GET", "/nowhere", 404), ("GET", "/channels/a/b/c", 404), ("GET", "", 404)])
def test_wrong_methods_and_paths(node: Node, method: str, path: str, status: int) -> None:
    response = api(node, method, path)
    assert response.status == status, response
    if response.status == 405:
        assert "allow" in response.fields


def test_keep_alive(node: Node) -> None:
    """Requests of an application share a connection, and are in order."""
    client = PusherClient(node)
    client.subscribe("c")
    with node.raw() as connection:
        for number in range(50):
            body = dumps({"name": "e", "channel": "c", "data": str(number)}).encode()
            target = signed_target("POST", EVENTS, body)
            connection.send(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            assert connection.read_response().status == 200
    assert [int(client.read_json()["data"]) for _ in range(50)] == list(range(50))


def test_pipelined_publishing(node: Node) -> None:
    """All in one segment: each is answered, in order, and so are the messages."""
    client = PusherClient(node)
    client.subscribe("c")
    stream = b""
    for number in range(20):
        body = dumps({"name": "e", "channel": "c", "data": str(number)}).encode()
        stream += f"POST {signed_target('POST', EVENTS, body)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with node.send(stream) as connection:
        assert [connection.read_response().status for _ in range(20)] == [200] * 20
    assert [int(client.read_json()["data"]) for _ in range(20)] == list(range(20))


def test_body_in_pieces(node: Node) -> None:
    body = dumps({"name": "e", "channel": "c", "data": "Zo\u00eb" * 20}).encode()
    request = f"POST {signed_target('POST', EVENTS, body)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    for cut in (1, len(request) - len(body) - 1, len(request) - len(body), len(request) - len(body) + 1, len(request) - 1):
        with node.raw() as connection:
            connection.send_cut(request, [cut])
            assert connection.read_response().status == 200
    with node.raw() as connection:
        connection.send_bytewise(request)
        assert connection.read_response().status == 200


@pytest.mark.variants(ONE_OF_EACH)
def test_no_secret_leaks(node: Node) -> None:
    """Secrets are in no answer, no metric and no log line."""
    texts = [node.request("GET", p).body for p in ("/", "/up", "/metrics", "/nowhere")]
    texts += [api(node, "GET", "/channels", secret="wrong").body, node.output().encode()]
    for text in texts:
        assert b"app-secret" not in text and b"broadcast-secret" not in text
