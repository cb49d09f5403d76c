"""Opening a WebSocket: what is a right request, what is not, origins, and paths (hardening 1.5, 1.6, 1.8, 1.9, 1.11, 1.17)."""

from __future__ import annotations

import pytest

from harness import frames
from harness.client import WebSocket, upgrade_request, wait_until
from harness.node import APP_KEY, GOOD_ORIGIN, OTHER_ORIGIN, USUAL, Node
from harness.pusher import PusherClient, data_of

SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def test_the_sample_of_the_rfc(node: Node) -> None:
    with node.raw() as connection:
        connection.send(upgrade_request("/echo", node.port, key=SAMPLE_KEY)[0])
        response = connection.read_response()
        assert response.status == 101
        assert response.fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert "sec-websocket-extensions" not in response.fields
        assert "sec-websocket-protocol" not in response.fields


def test_cut_at_every_byte(node: Node) -> None:
    """Each place to cut gives the same upgrade and an echo."""
    request, key = upgrade_request("/echo", node.port)
    whole = request + frames.frame(frames.TEXT, "first")
    for cut in range(1, len(whole)):
        with WebSocket(node.port, "/echo", upgrade=False) as client:
            client.send_cut(whole, [cut], pause=0.0008)
            client.expect_upgrade(key)
            client.expect(frames.TEXT, b"first")


def test_byte_by_byte(node: Node) -> None:
    request, key = upgrade_request("/echo", node.port)
    with WebSocket(node.port, "/echo", upgrade=False) as client:
        client.send_bytewise(request + frames.frame(frames.TEXT, "first"))
        client.expect_upgrade(key)
        client.expect(frames.TEXT, b"first")


def test_frames_behind_the_request(node: Node) -> None:
    """1.9: frames in the segment of the request are the first frames."""
    many = b"".join(frames.frame(frames.TEXT, f"message {n}") for n in range(50))
    with node.echo(behind=many) as client:
        for n in range(50):
            client.expect(frames.TEXT, f"message {n}".encode())
        client.say_goodbye()


def test_a_bad_frame_behind_the_request(node: Node) -> None:
    """1.9: they count against the rules."""
    with node.echo(behind=frames.frame(frames.TEXT, "x", mask=None)) as client:
        client.expect_close(1002)


GOOD_HANDSHAKES = {
    "upper_case_names": dict(replace={"Upgrade": None, "Connection": None, "Host": None}, more="HOST: x\r\nUPGRADE: WebSocket\r\nCONNECTION: upgrade\r\n"),
    "list_in_connection": dict(replace={"Connection": "keep-alive, Upgrade"}),
    "connection_twice": dict(replace={"Connection": "keep-alive"}, more="Connection: upgrade\r\n"),
    "list_in_upgrade": dict(replace={"Upgrade": "foo/2, websocket"}),
    "no_space_behind_colon": dict(replace={"Upgrade": None}, more="Upgrade:websocket\r\n"),
    "spaces_around_values": dict(replace={"Upgrade": None}, more="Upgrade: \t websocket \t \r\n"),
    "query": dict(line="GET /echo?a=1&b=%20 HTTP/1.1"),
    "deflate_offered": dict(more="Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"),
    "subprotocol_offered": dict(more="Sec-WebSocket-Protocol: chat, superchat\r\n"),
    "foreign_origin_where_origins_do_not_count": dict(origin="http://evil.example"),
    "cookies": dict(more="Cookie: a=b; c=\"d\"\r\n"),
}


@pytest.mark.parametrize("case", GOOD_HANDSHAKES)
def test_right_requests(node: Node, case: str) -> None:
    with WebSocket(node.port, "/echo", upgrade=False) as client:
        request, key = upgrade_request("/echo", node.port, **GOOD_HANDSHAKES[case])
        client.send(request)
        response = client.expect_upgrade(key)
        # An answer only to what was offered; what comes of an offer is shown by test_deflate.
        assert ("sec-websocket-extensions" in response.fields) == (case == "deflate_offered")
        client.text("it works")
        client.expect(frames.TEXT, b"it works")


BAD_HANDSHAKES: dict[str, tuple[set[int], dict]] = {
    "post": ({400, 405}, dict(line="POST /echo HTTP/1.1", more="Content-Length: 0\r\n")),
    "put": ({400, 405}, dict(line="PUT /echo HTTP/1.1", more="Content-Length: 0\r\n")),
    "http_1_0": ({400, 505}, dict(line="GET /echo HTTP/1.0")),
    "http_2_0": ({400, 505}, dict(line="GET /echo HTTP/2.0")),
    "no_connection": ({400, 426}, dict(replace={"Connection": None})),
    "connection_without_token": ({400, 426}, dict(replace={"Connection": "keep-alive"})),
    "connection_with_similar_token": ({400, 426}, dict(replace={"Connection": "Upgraded"})),
    "no_upgrade": ({400, 426}, dict(replace={"Upgrade": None})),
    "upgrade_h2c": ({400, 426}, dict(replace={"Upgrade": "h2c"})),
    "upgrade_similar": ({400, 426}, dict(replace={"Upgrade": "websockets"})),
    "no_key": ({400}, dict(replace={"Sec-WebSocket-Key": None})),
    "empty_key": ({400}, dict(key="")),
    "short_key": ({400}, dict(key="c2hvcnQ=")),
    "long_key": ({400}, dict(key="dGhpcyBpcyBsb25nZXIgdGhhbiAxNg==")),
    "key_of_15_bytes": ({400}, dict(key="MTIzNDU2Nzg5MDEyMzQ1")),
    "key_of_17_bytes": ({400}, dict(key="MTIzNDU2Nzg5MDEyMzQ1Njc=")),
    "key_without_padding": ({400}, dict(key="dGhlIHNhbXBsZSBub25jZQ")),
    "key_not_base64": ({400}, dict(key="dGhlIHNhbXBsZS!ub25jZQ==")),
    "key_twice": ({400}, dict(more=f"Sec-WebSocket-Key: {SAMPLE_KEY}\r\n")),
    "no_version": ({400, 426}, dict(replace={"Sec-WebSocket-Version": None})),
    "version_8": ({426}, dict(replace={"Sec-WebSocket-Version": "8"})),
    "version_14": ({426}, dict(replace={"Sec-WebSocket-Version": "14"})),
    "version_013": ({400, 426}, dict(replace={"Sec-WebSocket-Version": "013"})),
    "version_not_a_number": ({400, 426}, dict(replace={"Sec-WebSocket-Version": "thirteen"})),
    "no_host": ({400}, dict(replace={"Host": None})),
    "host_twice": ({400}, dict(more="Host: other.example\r\n")),
    "body_by_length": ({400, 413}, dict(more="Content-Length: 5\r\n")),
    "body_by_chunks": ({400}, dict(more="Transfer-Encoding: chunked\r\n")),
    "unknown_path": ({404}, dict(line="GET /nowhere HTTP/1.1")),
    "root": ({400, 404, 426}, dict(line="GET / HTTP/1.1")),
}


@pytest.mark.parametrize("case", BAD_HANDSHAKES)
def test_wrong_requests(node: Node, case: str) -> None:
    """1.6, 1.8: a status that says why, and the connection ends; what is glued behind is never looked at."""
    statuses, parts = BAD_HANDSHAKES[case]
    request, _ = upgrade_request("/echo", node.port, **parts)
    glued = b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n"
    body = b"5\r\nhello\r\n0\r\n\r\n" if case == "body_by_chunks" else b"hello" if case == "body_by_length" else b""
    with node.send(request + body + glued) as client:
        response = client.read_response()
        assert response.status in statuses, response
        if 426 == response.status:
            assert response.fields.get("sec-websocket-version") == "13", response
        client.expect_end()


def test_wrong_request_then_frames(node: Node) -> None:
    """1.8: frames behind a refused upgrade are dropped with it."""
    request, _ = upgrade_request("/echo", node.port, replace={"Sec-WebSocket-Version": "8"})
    with node.send(request + frames.frame(frames.TEXT, "x") * 1000) as client:
        assert client.read_response().status == 426
        client.expect_end()


HOSTILE_VALUES = {
    "spaces": " " * 3900,
    "commas": "," * 3900,
    "quotes": "\"" * 3900,
    "open_quote_and_escapes": "x; a=\"" + "\\" * 3800,
    "500_extensions": ", ".join(["a;b"] * 500),
    "one_parameter_500_times": "permessage-deflate" + "; client_max_window_bits" * 150,
    "semicolons": "permessage-deflate" + ";" * 3800,
    "equals": "permessage-deflate; a" + "=" * 3800,
}


@pytest.mark.parametrize("name", ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Connection", "Upgrade"])
def test_hostile_lists(node: Node, name: str) -> None:
    """1.5: lists that are costly to read badly. Each answer is 101 without the offer, or 4xx; CPU stays small."""
    before = node.cpu_seconds()
    for value in HOSTILE_VALUES.values():
        for _ in range(5):
            request, _ = upgrade_request("/echo", node.port, more=f"{name}: {value}\r\n")
            with node.send(request) as client:
                response = client.read_response()
                assert response.status in (101, 400, 426, 431), (value[:20], response)
                assert "sec-websocket-extensions" not in response.fields
                assert "sec-websocket-protocol" not in response.fields
    assert node.cpu_seconds() - before < 4.0


# origins

WRONG_ORIGINS = {
    "missing": None,
    "null": "null",
    "foreign": "http://evil.example",
    "good_as_prefix": "http://good.example.evil",
    "good_as_suffix": "http://evilgood.example",
    "other_scheme": "https://good.example",
    "other_port": "http://good.example:81",
    "port_left_out": "https://other.example",
    "subdomain": "http://a.good.example",
    "user_part": "http://good.example@evil.example",
    "path": "http://good.example/evil",
    "trailing_dot": "http://good.example.",
    "punycode": "http://xn--good-example",
    "empty": "",
    "two": "http://good.example http://evil.example",
    "fragment": "http://evil.example#http://good.example",
}


@pytest.mark.parametrize("origin", WRONG_ORIGINS)
def test_origins_refused_in_raw_mode(node: Node, origin: str) -> None:
    """1.11, realtime 1.6: the connection is closed without an answer."""
    request, _ = upgrade_request("/ws", node.port, origin=WRONG_ORIGINS[origin])
    before = node.metrics().closes("originRefused")
    with node.send(request) as client:
        client.expect_end()
    wait_until(lambda: node.metrics().closes("originRefused") == before + 1, "it is counted")


@pytest.mark.parametrize("origin", [GOOD_ORIGIN, OTHER_ORIGIN])
def test_origins_allowed(node: Node, origin: str) -> None:
    with node.realtime("c", origin=origin) as client:
        assert client.is_alive()


def test_origin_twice(node: Node) -> None:
    request, _ = upgrade_request("/ws", node.port, origin=GOOD_ORIGIN, more="Origin: http://evil.example\r\n")
    with node.send(request) as client:
        rest = client.read_rest()
        assert rest == b"" or rest.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403")), rest


# paths

NEVER_AN_APP = ["//app/{key}", "/app//{key}", "/app/%2e%2e/app/{key}", "/app/../app/{key}", "/app/./{key}", "/app/{key}%00", "/app/{key}%2f",
                "/app/{key}/", "/APP/{key}", "/app", "/app/", "/app/" + "k" * 3000, "/echo/", "/echo%00", "//echo", "/./echo", "/ws/x",
                "/app/{key}\\..", "/app/%zz", "/app/{key}%"]


@pytest.mark.parametrize("path", NEVER_AN_APP, ids=lambda p: p[:24].replace("/", "|"))
def test_path_tricks(node: Node, path: str) -> None:
    """1.17: a path that is not the one meant is refused: by status, or by the answer for an unknown application."""
    path = path.replace("{key}", APP_KEY)
    client, response = node.upgrade(path, origin=GOOD_ORIGIN)
    with client:
        if response.status == 101:
            assert "/app/" in path, "only the Pusher protocol completes the upgrade before it refuses"
            first = client.read_json()
            assert first["event"] == "pusher:error" and data_of(first)["code"] == 4001, first
            client.expect_close(4001)
        else:
            assert response.status in (400, 404, 414), response
            client.expect_end()


def test_unknown_key(node: Node) -> None:
    before = node.metrics().closes("unknownApplication")
    with PusherClient(node, key="no-such-key", establish=False) as client:
        client.read_error(4001)
        client.expect_close(4001)
    wait_until(lambda: node.metrics().closes("unknownApplication") == before + 1, "it is counted")


@pytest.mark.parametrize(("query", "code"), [("protocol=999", 4007), ("protocol=3", 4007), ("protocol=seven", 4006), ("protocol=", 4006),
                                            ("protocol=-7", 4006), ("protocol=99999999999999999999", None)])
def test_bad_protocol_versions(node: Node, query: str, code: int | None) -> None:
    """1.17: closed with 4006 (no number) or 4007 (not supported)."""
    with PusherClient(node, query=query, establish=False) as client:
        before, closed = client.drain_to_close()
        assert closed is not None and closed.code in ([code] if code else [4006, 4007]), (before, closed)
        assert all(b"established" not in f.payload for f in before)
        client.send_if_open(frames.close(closed.code))
        client.expect_end()


@pytest.mark.parametrize("query", ["", "protocol=7", "protocol=5", "version=8.4.0&protocol=7&client=js&unknown=1", "client=js"])
def test_good_protocol_versions(node: Node, query: str) -> None:
    with PusherClient(node, query=query) as client:
        assert client.sync() == []


def test_many_query_parameters(node: Node) -> None:
    """1.17: 32 parameters are read, 1 000 are refused."""
    with PusherClient(node, query="protocol=7&" + "&".join(f"p{n}={n}" for n in range(31))) as client:
        assert client.sync() == []
    client, response = node.upgrade(f"/app/{APP_KEY}?" + "&".join(f"p{n}=" for n in range(700)))
    with client:
        assert response.status in (400, 414), response
        client.expect_end()


def test_path_prefix(node_with_prefix: Node) -> None:
    """The routes of the Pusher protocol live under the prefix, and nowhere else."""
    node = node_with_prefix
    for path in (f"/prefix/app/{APP_KEY}", "/echo", "/ws"):
        client, response = node.upgrade(path, origin=GOOD_ORIGIN)
        assert response.status == 101, (path, response)
        client.close()
    assert node.request("GET", "/prefix/up").json() == {"health": "OK"}
    for path in (f"/app/{APP_KEY}", "/prefix/echo", "/prefix/ws", f"/prefixx/app/{APP_KEY}", "/prefix"):
        client, response = node.upgrade(path, origin=GOOD_ORIGIN)
        assert response.status in (400, 404), (path, response)
        client.expect_end()


@pytest.fixture
def node_with_prefix(start):
    """A node under a prefix; its /up is elsewhere, so it is waited for by hand."""
    def ready(node: Node) -> bool:
        try:
            return node.request("GET", "/prefix/up").status == 200
        except (OSError, EOFError):
            return False

    node = start(USUAL.with_flags("--path", "/prefix"), wait=False)
    wait_until(lambda: ready(node), "/prefix/up answers", timeout=60)
    return node


def test_no_echo_unless_asked(start) -> None:
    """/echo is off by default."""
    from harness.node import Settings
    node = start(Settings(flags=("--app-id", "1", "--app-key", "k", "--app-secret", "s")))
    client, response = node.upgrade("/echo")
    assert response.status == 404
    client.expect_end()
