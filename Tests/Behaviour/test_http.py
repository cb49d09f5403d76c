"""HTTP requests: heads, bodies, time, pipelines, descriptors (hardening 1.1, 1.2, 1.4, 1.7, 1.10, 1.14 to 1.16)."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from conftest import MANY_OF_EACH, ONE_OF_EACH, is_sanitized
from harness import frames
from harness.client import RawSocket, wait_until
from harness.horde import Horde
from harness.node import USUAL, Node, Variant
from harness.pusher import dumps, signed_target

HEAD_BYTES_MAX, LINE_BYTES_MAX, FIELDS_MAX = 8192, 4096, 64
REQUEST_BYTES_MAX = 65_536
QUICK = USUAL.with_environment(CLARION_LIMITS_HEAD_SECONDS="1", CLARION_LIMITS_MESSAGE_SECONDS="1", CLARION_LIMITS_CLOSE_SECONDS="1",
                               CLARION_LIMITS_SLOW_CONSUMER_SECONDS="2")


def head(*lines: str, request: str = "GET /up HTTP/1.1", host: bool = True) -> bytes:
    """A request head."""
    return "".join(f"{line}\r\n" for line in [request, *(["Host: x"] if host else []), *lines, ""]).encode("latin-1")


def exchange(node: Node, data: bytes) -> tuple[int, RawSocket]:
    """Sends bytes, reads one answer, returns its status and the connection."""
    connection = node.send(data)
    return connection.read_response().status, connection


def padded(byte_count: int) -> bytes:
    """A good request head of exactly so many bytes; no line is long."""
    lines, rest = [], byte_count - len(head())
    while rest > 0:
        size = min(rest, 1000)
        if 0 < rest - size < 20:
            size -= 30
        lines.append("X-Pad: " + "a" * (size - 9))
        rest -= size
    data = head(*lines)
    assert len(data) == byte_count
    return data


# routes

def test_health(node: Node) -> None:
    response = node.request("GET", "/up")
    assert (response.status, response.json()) == (200, {"health": "OK"})
    assert response.fields["content-type"].startswith("application/json")
    response = node.request("HEAD", "/up")
    assert (response.status, response.body) == (200, b"")


def test_page(node: Node) -> None:
    """The page on which one can try the node."""
    response = node.request("GET", "/")
    assert response.status == 200
    assert response.fields["content-type"].startswith("text/html")
    assert b"<html" in response.body.lower() and b"WebSocket" in response.body
    for secret in (b"app-secret", b"broadcast-secret"):
        assert secret not in response.body


@pytest.mark.parametrize(("request_line", "statuses"), [
    ("GET /nowhere HTTP/1.1", {404}), ("GET /apps HTTP/1.1", {404}), ("POST /up HTTP/1.1", {405}), ("DELETE / HTTP/1.1", {405}),
    ("GET /internal/broadcast HTTP/1.1", {403, 405}), ("POST /metrics HTTP/1.1", {405}), ("BREW /up HTTP/1.1", {405, 501}),
    ("OPTIONS * HTTP/1.1", {200, 204, 400, 404, 405}),
])
def test_other_routes(node: Node, request_line: str, statuses: set[int]) -> None:
    status, connection = exchange(node, head("Content-Length: 0", "Connection: close", request=request_line))
    assert status in statuses
    connection.expect_end()


def test_keep_alive(node: Node) -> None:
    """Many requests on one connection, in order; `Connection: close` ends it."""
    with node.raw() as connection:
        for _ in range(20):
            connection.send(head())
            assert connection.read_response().status == 200
        connection.send(head("Connection: close"))
        assert connection.read_response().status == 200
        connection.expect_end()


def test_http_1_0(node: Node) -> None:
    """Answered, and closed: or refused."""
    status, connection = exchange(node, head(request="GET /up HTTP/1.0"))
    assert status in (200, 505)
    connection.expect_end()


# 1.1, 1.2: time

@pytest.mark.settings(QUICK)
def test_silent_connections(every_node: list[Node]) -> None:
    """1.1: those that say nothing are closed at the head deadline, cost little, and do not hinder others."""
    before = {id(n): (n.resident_bytes(), n.metrics().closes("headTimeout")) for n in every_node}
    idle = {id(n): [n.raw() for _ in range(1000)] for n in every_node}
    for node in every_node:
        with node.echo() as client:
            client.text("others go on")
            client.expect(frames.TEXT, b"others go on")
    if not is_sanitized():
        for node in every_node:
            assert node.resident_bytes() - before[id(node)][0] < 6 << 20, f"{node}: too much memory for idle connections"
    for node in every_node:
        for connection in idle[id(node)]:
            rest = connection.read_rest()
            assert rest == b"" or rest.startswith(b"HTTP/1.1 408 "), rest
            connection.close()
        wait_until(lambda: node.metrics().closes("headTimeout") >= before[id(node)][1] + 1000, f"{node}: they are counted")


HORDE = 10_000


@pytest.mark.variants(MANY_OF_EACH)
def test_row_1_1_silent_horde(start, variant: Variant) -> None:
    """1.1: ten thousand connect and say nothing. Each costs at most 1 KiB; others are served; at the deadline all are ended, counted."""
    if is_sanitized():
        pytest.skip("a sanitizer makes ten thousand too slow")
    node = start(USUAL.with_environment(CLARION_LIMITS_HEAD_SECONDS="6"), variant)
    with node.echo() as client:
        assert client.is_alive()
    before = node.resident_bytes()
    with node.echo() as client:
        horde = Horde(node, HORDE, "silent")
        for number in range(100):
            client.text(f"others go on {number}")
            client.expect(frames.TEXT, f"others go on {number}".encode())
        grown = node.resident_bytes() - before
        assert grown <= HORDE << 10, f"{grown // HORDE} bytes for each"
        horde.expect(f"ended {HORDE}")
        assert client.is_alive()
    wait_until(lambda: node.metrics().closes("headTimeout") == HORDE, "they are counted")
    node.stop_clean()


@pytest.mark.settings(QUICK)
def test_dripped_head(every_node: list[Node]) -> None:
    """1.2: the deadline counts from accept; a byte now and then does not push it."""
    connections = [(n, n.raw()) for n in every_node for _ in range(3)]
    begun = time.monotonic()
    request, ended = head("X-Long: " + "a" * 500), set()
    for index in range(0, len(request) - 4):
        for key, (_, connection) in enumerate(connections):
            if key not in ended and not connection.send_if_open(request[index:index + 1]):
                ended.add(key)
        if len(ended) == len(connections) or time.monotonic() - begun > 10:
            break
        time.sleep(0.1)
    for node, connection in connections:
        rest = connection.read_rest(2)
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408 "), (node, rest)
    assert 0.8 < time.monotonic() - begun < 10


@pytest.mark.settings(QUICK)
def test_dripped_body(every_node: list[Node]) -> None:
    """The body of a request has a deadline, too."""
    connections = [(n, n.send(head("Content-Length: 1000", request="POST /apps/app-id/events HTTP/1.1"))) for n in every_node]
    begun = time.monotonic()
    while time.monotonic() - begun < 10 and any(c.send_if_open(b"x") for _, c in connections):
        time.sleep(0.1)
    for node, connection in connections:
        rest = connection.read_rest(2)
        assert rest == b"" or rest.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 401 ")), (node, rest)


# 1.4: sizes

@pytest.mark.parametrize(("byte_count", "status"), [(HEAD_BYTES_MAX - 1, 200), (HEAD_BYTES_MAX, 200), (HEAD_BYTES_MAX + 1, 431), (20_000, 431)])
def test_head_size(node: Node, byte_count: int, status: int) -> None:
    """1.4"""
    got, connection = exchange(node, padded(byte_count))
    assert got == status
    if status != 200:
        connection.expect_end()


@pytest.mark.parametrize(("byte_count", "status"), [(LINE_BYTES_MAX - 1, 200), (LINE_BYTES_MAX, 200), (LINE_BYTES_MAX + 1, 414), (8000, 414)])
def test_request_line_size(node: Node, byte_count: int, status: int) -> None:
    """1.4: the line without its CR LF."""
    frame = len("GET /up? HTTP/1.1")
    got, connection = exchange(node, head(request="GET /up?" + "a" * (byte_count - frame) + " HTTP/1.1"))
    assert got == status
    if status != 200:
        connection.expect_end()


@pytest.mark.parametrize(("count", "status"), [(FIELDS_MAX - 1, 200), (FIELDS_MAX, 200), (FIELDS_MAX + 1, 431), (1400, 431)])
def test_field_count(node: Node, count: int, status: int) -> None:
    """1.4"""
    got, connection = exchange(node, head(*["a: b"] * (count - 1)))
    assert got == status
    if status != 200:
        connection.expect_end()


@pytest.mark.parametrize("data", [b"G" * 9000, b"GET /" + b"a" * 9000, head()[:-2] + b"X: " + b"a" * 9000, b"\r\n" * 5000,
                                  head()[:-2] + b"a:b\r\n" * 2000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 8],
                         ids=["no_line", "no_end_of_line", "field_without_end", "empty_lines", "2000_fields", "tls_hello"])
def test_endless_heads(node: Node, data: bytes) -> None:
    """1.4: a head without an end is refused when it is too long, not when memory is."""
    with node.send(data) as connection:
        rest = connection.read_rest()
        assert rest == b"" or rest.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 ")), rest


# 1.12, 1.13: who it is

PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\x12\x34\0\x50"


@pytest.mark.parametrize("header", [b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", b"PROXY UNKNOWN\r\n", PROXY_2, PROXY_2[:12] + b"\x21\x11\xff\xff"],
                         ids=["version_1", "version_1_unknown", "version_2", "version_2_length"])
def test_row_1_12_proxy_header(node: Node, header: bytes) -> None:
    """1.12: no peer is trusted to say who it stands for: a PROXY header is a bad request."""
    with node.send(header + head()) as connection:
        rest = connection.read_rest()
        assert rest == b"" or (rest.startswith(b"HTTP/1.1 400 ") and rest.count(b"HTTP/1.1 ") == 1), rest


def test_row_1_12_forged_fields(node: Node) -> None:
    """1.12: what they say changes nothing and comes back nowhere."""
    plain = node.request("GET", "/metrics").status
    for fields in ({"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1;proto=https;host=evil.example"}, {"X-Real-IP": "::1"},
                   {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}):
        response = node.request("GET", "/", fields=fields)
        assert response.status == plain == 200
        assert b"evil.example" not in response.body and "10.0.0.1" not in str(response.fields)
    assert "10.0.0.1" not in node.output()


def test_row_1_13_flood_from_one_address(node: Node) -> None:
    """1.13: 2 000 connections from one address; another one is served meanwhile. (There is no bound for each address:
    docs/SECURITY.md.)"""
    flood = []
    for number in range(2000):
        flood.append(node.raw(source="127.0.0.9"))
        if number % 200 == 0:
            with node.echo(source="127.0.0.10") as client:
                assert client.is_alive()
    for connection in flood:
        connection.reset()


# 1.7: smuggling, and what is malformed

EVENTS = "POST /apps/app-id/events HTTP/1.1"
MALFORMED = {
    "length_and_chunks": head("Content-Length: 5", "Transfer-Encoding: chunked", request=EVENTS) + b"0\r\n\r\n",
    "chunks_and_length": head("Transfer-Encoding: chunked", "Content-Length: 5", request=EVENTS) + b"0\r\n\r\n",
    "two_lengths": head("Content-Length: 5", "Content-Length: 6", request=EVENTS) + b"hello!",
    "two_equal_lengths": head("Content-Length: 5", "Content-Length: 5", request=EVENTS) + b"hello",
    "list_of_lengths": head("Content-Length: 5, 5", request=EVENTS) + b"hello",
    "plus_length": head("Content-Length: +5", request=EVENTS) + b"hello",
    "minus_length": head("Content-Length: -5", request=EVENTS) + b"hello",
    "hex_length": head("Content-Length: 0x5", request=EVENTS) + b"hello",
    "length_with_space": head("Content-Length: 5 5", request=EVENTS) + b"hello",
    "empty_length": head("Content-Length: ", request=EVENTS) + b"hello",
    "length_of_40_digits": head("Content-Length: " + "9" * 40, request=EVENTS),
    "length_2_to_64": head("Content-Length: 18446744073709551616", request=EVENTS),
    "unknown_coding": head("Transfer-Encoding: gzip", request=EVENTS) + b"hello",
    "chunked_twice": head("Transfer-Encoding: chunked, chunked", request=EVENTS) + b"0\r\n\r\n",
    "chunked_not_last": head("Transfer-Encoding: chunked, identity", request=EVENTS) + b"0\r\n\r\n",
    "chunked_disguised": head("Transfer-Encoding: xchunked", request=EVENTS) + b"0\r\n\r\n",
    "bare_lf": b"GET /up HTTP/1.1\nHost: x\n\n",
    "bare_lf_in_fields": b"GET /up HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "bare_cr": b"GET /up HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "folded_line": b"GET /up HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "space_before_first_field": b"GET /up HTTP/1.1\r\n Host: x\r\n\r\n",
    "space_before_colon": b"GET /up HTTP/1.1\r\nHost : x\r\n\r\n",
    "no_colon": b"GET /up HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "empty_name": b"GET /up HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "nul_in_value": b"GET /up HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "nul_in_name": b"GET /up HTTP/1.1\r\nHost: x\r\nX\0: b\r\n\r\n",
    "control_in_value": b"GET /up HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
    "absolute_form": head(request="GET http://x/up HTTP/1.1"),
    "authority_form": head(request="CONNECT x:80 HTTP/1.1"),
    "no_slash": head(request="GET up HTTP/1.1"),
    "two_spaces": head(request="GET  /up HTTP/1.1"),
    "space_in_target": head(request="GET /up x HTTP/1.1"),
    "tab_in_line": head(request="GET\t/up\tHTTP/1.1"),
    "no_version": head(request="GET /up"),
    "lower_case_version": head(request="GET /up http/1.1"),
    "version_1_1_1": head(request="GET /up HTTP/1.1.1"),
    "version_11": head(request="GET /up HTTP/11"),
    "control_in_target": head(request="GET /u\x7fp HTTP/1.1"),
    "high_byte_in_target": head(request="GET /\xfcp HTTP/1.1"),
    "fragment_in_target": head(request="GET /up#x HTTP/1.1"),
    "method_with_symbols": head(request="G@T /up HTTP/1.1"),
    "no_host": head(host=False),
    "host_twice": head("Host: y"),
    "host_twice_the_same": head("Host: x"),
    "leading_space": b" GET /up HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_requests(node: Node, case: str) -> None:
    """1.7, 1.16: 400 and the end; what is glued behind is never taken for a request."""
    glued = head(request="GET /nowhere HTTP/1.1")
    with node.send(MALFORMED[case] + glued) as connection:
        response = connection.read_response()
        allowed = {400} | ({501} if case in ("unknown_coding", "authority_form") else set()) \
            | ({405} if case == "authority_form" else set()) | ({505} if "version" in case else set()) \
            | ({413} if case in ("length_of_40_digits", "length_2_to_64") else set())
        assert response.status in allowed, response
        connection.expect_end()


def test_malformed_requests_byte_by_byte(node: Node) -> None:
    """The verdict does not hang on how the bytes arrive."""
    for case in ("bare_lf", "space_before_colon", "length_and_chunks", "nul_in_value", "host_twice", "absolute_form"):
        with node.raw() as connection:
            for byte in MALFORMED[case]:
                if not connection.send_if_open(bytes([byte])):
                    break
                time.sleep(0.0003)
            assert connection.read_response().status == 400, case
            connection.expect_end()


# bodies

def event_body(byte_count: int | None = None) -> bytes:
    """A body of POST /events, of exactly so many bytes."""
    body = {"name": "e", "channel": "c", "data": ""}
    body["data"] = "x" * (1 if byte_count is None else byte_count - len(dumps(body)))
    return dumps(body).encode()


def chunked(body: bytes, size: int, extension: str = "", trailer: str = "") -> bytes:
    """The body in chunks."""
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(f"{len(p):x}{extension}\r\n".encode() + p + b"\r\n" for p in pieces) + f"0\r\n{trailer}\r\n".encode()


def test_chunked_body(node: Node) -> None:
    """A chunked body is decoded; each size of chunk, in one piece and byte by byte."""
    body = event_body(300)
    target = signed_target("POST", "/apps/app-id/events", body)
    for size in (1, 7, 299, 300):
        status, connection = exchange(node, head("Transfer-Encoding: chunked", request=f"POST {target} HTTP/1.1") + chunked(body, size))
        assert status == 200, size
        connection.close()
    with node.raw() as connection:
        connection.send_bytewise(head("Transfer-Encoding: chunked", request=f"POST {target} HTTP/1.1") + chunked(body, 50), pause=0.0003)
        assert connection.read_response().status == 200


@pytest.mark.parametrize("bad", [b"5\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
                                 b"5\r\nhelloX\r\n0\r\n\r\n", b"g\r\n", b"\r\n\r\n", b"-1\r\n", b"ffffffffffffffff\r\nx", b"10000000000000000\r\nx",
                                 b"5;" + b"a" * 20000 + b"\r\nhello\r\n0\r\n\r\n", b"0" * 20000],
                         ids=["bare_lf", "plus", "hex", "space", "too_long", "no_digit", "empty", "minus", "huge", "overflow", "long_extension",
                              "endless_zeros"])
def test_bad_chunks(node: Node, bad: bytes) -> None:
    target = signed_target("POST", "/apps/app-id/events", b"hello")
    with node.send(head("Transfer-Encoding: chunked", request=f"POST {target} HTTP/1.1") + bad) as connection:
        assert connection.read_response().status in (400, 413)
        connection.expect_end()


def test_request_size(node: Node) -> None:
    """4.3: head and body together up to the bound, and not one byte more: refused from the head, before the body is there."""
    for excess, allowed in ((-1, {200, 413}), (1, {413}), (1_000_000, {413})):
        body_size = REQUEST_BYTES_MAX - 400
        while True:  # the head holds the size and a signature of constant length
            body = event_body(body_size)
            data = head(f"Content-Length: {len(body)}", request=f"POST {signed_target('POST', '/apps/app-id/events', body)} HTTP/1.1")
            if len(data) + len(body) == REQUEST_BYTES_MAX + excess:
                break
            body_size += REQUEST_BYTES_MAX + excess - len(data) - len(body)
        status, connection = exchange(node, data if excess > 0 else data + body)
        assert status in allowed, excess
        if status == 413:
            connection.send_if_open(body)
        connection.close()


def test_chunked_request_size(node: Node) -> None:
    """The bound holds for what chunks add up to."""
    with node.raw() as connection:
        connection.send(head("Transfer-Encoding: chunked", request="POST /apps/app-id/events HTTP/1.1"))
        piece = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
        for _ in range(200):
            if not connection.send_if_open(piece):
                break
        rest = connection.read_rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 413 "), rest


def test_expect_continue(node: Node) -> None:
    body = event_body()
    target = signed_target("POST", "/apps/app-id/events", body)
    with node.send(head(f"Content-Length: {len(body)}", "Expect: 100-continue", request=f"POST {target} HTTP/1.1")) as connection:
        assert connection.read_response().status == 100
        connection.send(body)
        assert connection.read_response().status == 200


# 1.10: pipelines

def test_pipeline_is_answered_in_order(node: Node) -> None:
    with node.send(head() * 10 + head(request="GET /nowhere HTTP/1.1") + head() * 5) as connection:
        statuses = [connection.read_response().status for _ in range(11)]
        assert statuses == [200] * 10 + [404]


def test_endless_pipeline(node: Node) -> None:
    """1.10: requests whose answers nobody reads. The node stops reading; memory stays; nothing is lost when we read."""
    before = node.resident_bytes()
    request = head()
    with node.raw(receive_buffer=4096, segment=536) as connection:
        sent = connection.send_until_blocked(request * 100, 50 << 20)
        assert sent < 50 << 20, "the node reads on though its answers are not read"
        assert node.resident_bytes() - before < (8 << 20) * (4 if is_sanitized() else 1)
        node.check_alive()
        for _ in range(sent // len(request)):
            assert connection.read_response().status == 200


def test_half_closed(node: Node) -> None:
    """A client that ends its sending side behind its requests still gets the answers."""
    body = event_body()
    post = head(f"Content-Length: {len(body)}", request=f"POST {signed_target('POST', '/apps/app-id/events', body)} HTTP/1.1") + body
    for requests in ([head()], [post], [head(request="GET /metrics HTTP/1.1")], [head(), head(), post, head()]):
        with node.send(b"".join(requests)) as connection:
            connection.finish()
            answers = connection.read_rest()
            assert answers.count(b"HTTP/1.1 200 ") == len(requests), answers[-300:]


# 1.14, 1.15

@pytest.mark.variants(ONE_OF_EACH)
def test_out_of_descriptors(start, variant: Variant) -> None:
    """1.14: connections beyond the limit fail or wait; those that exist go on; nothing spins; later all is well again."""
    node = start(USUAL.with_descriptors(128), variant)
    client = node.echo()
    first = node.descriptor_count()
    crowd = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(300)]
    time.sleep(0.5)
    cpu = node.cpu_seconds()
    time.sleep(1.5)
    assert node.cpu_seconds() - cpu < 0.75, "the node spins"
    client.text("still here")
    client.expect(frames.TEXT, b"still here")
    if variant.backend == "epoll":
        lines = len(node.output().splitlines())
        assert lines < 60, f"{lines} log lines about it"
    for connection in crowd:
        connection.close()
    wait_until(lambda: works(node), "new connections are accepted again")
    if variant.backend == "epoll":
        assert node.metrics().value("accept", "fail") > 0
    wait_until(lambda: node.descriptor_count() <= first + 2, "descriptors go back")
    client.close()
    node.stop_clean()


def works(node: Node) -> bool:
    """Whether /up answers within two seconds."""
    try:
        with RawSocket(node.port, timeout=2) as connection:
            connection.send(head())
            return connection.read_response().status == 200
    except (OSError, EOFError):
        return False


def test_resets(node: Node) -> None:
    """1.15: peers that reset at once, in the middle of a head, behind an upgrade, and within a frame. No log flood, no leak."""
    lines, descriptors, memory = len(node.output().splitlines()), node.descriptor_count(), node.resident_bytes()
    for round_number in range(150):
        node.raw().reset()
        connection = node.send(head()[:10 + round_number % 10])
        connection.reset()
        client = node.echo()
        client.send(frames.frame(frames.TEXT, "x" * 1000)[:1 + round_number])
        client.reset()
        client = node.echo()
        client.text("x" * 5000)
        client.reset()
    node.check_alive()
    assert len(node.output().splitlines()) - lines < 50
    wait_until(lambda: node.descriptor_count() <= descriptors + 2, "descriptors go back")
    if not is_sanitized():
        assert node.resident_bytes() - memory < 4 << 20
    wait_until(lambda: node.metrics().value("connections", "open") <= 8, "connections go back")


def test_many_at_once(node: Node) -> None:
    """Requests from eight threads at a time all get their answer."""
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(50):
            statuses.append(node.request("GET", "/up").status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 400
