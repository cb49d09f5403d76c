"""/metrics: the format, and that everything odd is counted where it happened."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from harness import frames, secure
from harness.client import RawSocket, WebSocket, upgrade_request, wait_until
from harness.deflate import DeflateSocket
from harness.frames import CONTINUATION, PING, TEXT, frame
from harness.node import GOOD_ORIGIN, REPOSITORY, USUAL, Node, binary
from harness.pusher import PusherClient, api, trigger

REASONS = ["peerClosed", "peerVanished", "peerReset", "httpDone", "badRequest", "protocolError", "invalidUTF8", "malformedDeflate", "messageTooBig",
           "tooManyFragments", "messageTimeout", "controlFlood", "unsupportedData", "rateLimited", "originRefused", "unknownApplication", "applicationFull", "applicationUndecided",
           "applicationDisabled", "badProtocolVersion", "slowConsumer", "outboxFull", "pongTimeout", "headTimeout", "idle", "nodeFull", "kicked", "shutdown",
           "proxyHeader", "handshakeFailed", "handshakeTimeout", "secureFault", "addressFull", "addressRate", "unidentified", "keysSpent"]


def test_format(node: Node) -> None:
    """Prometheus text, version 0.0.4: types, helps, names, no sample twice, families together (the reader checks each line)."""
    response = node.request("GET", "/metrics")
    assert response.status == 200
    assert response.fields["content-type"].startswith("text/plain; version=0.0.4")
    metrics = node.metrics()
    for family in metrics.families.values():
        assert family.kind != "untyped" and family.help, family.name
        assert family.samples, f"{family.name} has no sample"
        if family.kind == "counter":
            assert family.name.endswith("_total"), f"{family.name} is a counter"
            assert all(s[2] >= 0 for s in family.samples)
    assert any(n.startswith("process_") for n in metrics.families)


def test_total_and_per_worker(node: Node) -> None:
    """Each number is there for each worker and for all of them, and they add up."""
    clients = [node.realtime(f"c{n}") for n in range(12)]
    wait_until(lambda: node.metrics().value("sockets", "open") >= 12, "they are counted")
    metrics = node.metrics()
    pairs = 0
    for name, family in metrics.families.items():
        if not name.startswith("clarion_worker_"):
            continue
        whole = metrics.families[name.replace("clarion_worker_", "clarion_")]
        pairs += 1
        workers = {s[1]["worker"] for s in family.samples}
        assert workers == {str(n) for n in range(node.variant.workers)}, name
        for _, labels, value in whole.samples:
            parts = [s[2] for s in family.samples if {k: v for k, v in s[1].items() if k != "worker"} == labels]
            assert parts and (max if name.endswith("_max") else sum)(parts) == value, (name, labels)
    assert pairs >= 20
    info = metrics.families["clarion_info"].samples[0]
    assert info[1]["backend"] == node.variant.backend and info[1]["workers"] == str(node.variant.workers) and info[1]["version"]
    for client in clients:
        client.close()


def test_counts_of_a_conversation(node: Node) -> None:
    """What went through is what is counted."""
    client, source = PusherClient(node), PusherClient(node)
    client.subscribe("counted")
    source.subscribe("counted")
    before = node.metrics()
    for number in range(10):
        assert trigger(node, "counted", data=str(number)).status == 200
    for listener in (client, source):
        for _ in range(10):
            assert listener.read_json()["event"] == "my-event"
        assert listener.sync() == []
    after = node.metrics()

    def grown(*words: str) -> float:
        return after.value(*words) - before.value(*words)

    assert grown("publishes") == 10
    assert grown("ordered") == 10
    assert grown("deliveries") == 20
    assert grown("messages_in") == 2
    assert grown("messages_out") == 22
    assert grown("bytes_in") > 1000 and grown("bytes_out") > 1000
    assert grown("http_requests") == 11  # the reading before is counted behind itself
    assert after.value("subscriptions") >= 2 and after.value("channels") >= 1
    assert trigger(node, "nobody-here").status == 200
    assert node.metrics().value("unheard") == after.value("unheard") + 1
    client.close()
    source.close()


def test_every_reason_has_a_sample(node: Node) -> None:
    """A closed set, all of it from the start, so that a rate can be taken."""
    metrics = node.metrics()
    for reason in REASONS:
        metrics.closes(reason)


def open_echo(node: Node) -> WebSocket:
    client = node.echo()
    client.text("x")
    client.expect(TEXT, b"x")
    return client


def after_close(client: WebSocket) -> None:
    """Reads to the end, answering the close."""
    _, closed = client.drain_to_close()
    if closed is not None:
        client.send_if_open(frames.close(closed.code))
    client.close()


def provoke_peer_closed(node: Node) -> None:
    open_echo(node).say_goodbye()


def provoke_peer_vanished(node: Node) -> None:
    open_echo(node).close()


def provoke_peer_reset(node: Node) -> None:
    open_echo(node).reset()


def provoke_http_done(node: Node) -> None:
    node.request("GET", "/up")


def provoke_bad_request(node: Node) -> None:
    with node.send(b"NONSENSE\r\n\r\n") as connection:
        connection.read_rest()


def provoke_protocol_error(node: Node) -> None:
    client = open_echo(node)
    client.send(frame(TEXT, "x", mask=None))
    after_close(client)


def provoke_invalid_utf8(node: Node) -> None:
    client = open_echo(node)
    client.send(frame(TEXT, b"\xff"))
    after_close(client)


def provoke_malformed_deflate(node: Node) -> None:
    client = DeflateSocket(node.port, "/echo")
    client.send(frame(TEXT, b"\x07", rsv=4))
    after_close(client)


def provoke_message_too_big(node: Node) -> None:
    client = open_echo(node)
    client.send(frame(TEXT, b"", declared=1 << 30))
    after_close(client)


def provoke_too_many_fragments(node: Node) -> None:
    client = PusherClient(node)
    client.send(frame(TEXT, "", fin=False) + frame(CONTINUATION, "", fin=False) * 500)
    after_close(client)


def provoke_control_flood(node: Node) -> None:
    client = open_echo(node)
    client.send(frame(PING) * 200)
    after_close(client)


def provoke_unsupported_data(node: Node) -> None:
    client = PusherClient(node)
    client.send(frame(frames.BINARY, "{}"))
    after_close(client)


def provoke_origin_refused(node: Node) -> None:
    with node.send(upgrade_request("/ws", node.port, origin="http://evil.example")[0]) as connection:
        connection.read_rest()


def provoke_unknown_application(node: Node) -> None:
    after_close(PusherClient(node, key="nobody", establish=False))


def provoke_bad_protocol_version(node: Node) -> None:
    after_close(PusherClient(node, query="protocol=2", establish=False))


def provoke_kicked(node: Node) -> None:
    client = PusherClient(node)
    subprocess.run([str(binary()), "kick", "--port", str(node.port), client.socket_id], check=True, stdout=subprocess.DEVNULL)
    after_close(client)


PROVOKED = {"kicked": provoke_kicked, "peerClosed": provoke_peer_closed, "peerVanished": provoke_peer_vanished, "peerReset": provoke_peer_reset, "httpDone": provoke_http_done,
            "badRequest": provoke_bad_request, "protocolError": provoke_protocol_error, "invalidUTF8": provoke_invalid_utf8,
            "malformedDeflate": provoke_malformed_deflate, "messageTooBig": provoke_message_too_big, "tooManyFragments": provoke_too_many_fragments,
            "controlFlood": provoke_control_flood, "unsupportedData": provoke_unsupported_data, "originRefused": provoke_origin_refused, "unknownApplication": provoke_unknown_application,
            "badProtocolVersion": provoke_bad_protocol_version}
"""Reasons that the usual settings can provoke at once."""


@pytest.mark.parametrize("reason", PROVOKED)
def test_reasons(node: Node, reason: str) -> None:
    """One provocation, one more of this reason, and of no other but httpDone (which the readings themselves are)."""
    before = node.metrics()
    PROVOKED[reason](node)
    wait_until(lambda: node.metrics().closes(reason) > before.closes(reason), f"{reason} is counted", timeout=5)
    after = node.metrics()
    for other in REASONS:
        if other not in (reason, "httpDone"):
            assert after.closes(other) == before.closes(other), f"{reason} also counted as {other}"
    if reason != "httpDone":
        assert after.closes(reason) == before.closes(reason) + 1


STRICT = USUAL.with_environment(
    CLARION_LIMITS_HEAD_SECONDS="1", CLARION_LIMITS_IDLE_SECONDS="1", CLARION_LIMITS_MESSAGE_SECONDS="1", CLARION_LIMITS_CLOSE_SECONDS="1",
    CLARION_LIMITS_SLOW_CONSUMER_SECONDS="4", CLARION_LIMITS_OUTBOX_BYTES_MAX="4096", CLARION_LIMITS_ECHO_MESSAGE_BYTES_MAX=str(64 << 10),
    CLARION_APP2_ID="2", CLARION_APP2_KEY="rated", CLARION_APP2_SECRET="s", CLARION_APP2_RATE_LIMIT_ENABLED="true",
    CLARION_APP2_RATE_LIMIT_MAX_ATTEMPTS="1", CLARION_APP2_RATE_LIMIT_TERMINATE="true",
    CLARION_APP3_ID="3", CLARION_APP3_KEY="full", CLARION_APP3_SECRET="s", CLARION_APP3_MAX_CONNECTIONS="0",
    CLARION_APP4_ID="4", CLARION_APP4_KEY="lively", CLARION_APP4_SECRET="s", CLARION_APP4_PING_INTERVAL_SECONDS="1",
    CLARION_APP5_ID="5", CLARION_APP5_KEY="off", CLARION_APP5_SECRET="s", CLARION_APP5_ENABLED="false",
    CLARION_APPS_STORE="redis://127.0.0.1:1")  # where nobody listens
TINY = dict(receive_buffer=4096, segment=536)


def begin_idle(node: Node) -> RawSocket:
    connection = node.send(b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.read_response().status == 200
    return connection


def begin_message(node: Node) -> WebSocket:
    client = open_echo(node)
    client.send(frame(TEXT, "x" * 100)[:50])
    return client


def begin_not_reading(node: Node) -> WebSocket:
    client = PusherClient(node, **TINY)
    client.subscribe("calm")
    for _ in range(100):  # more than the kernel takes for it, however generous it is
        assert trigger(node, "calm", data="x" * 9000).status == 200
    return client


def begin_not_reading_replies(node: Node) -> WebSocket:
    client = node.echo(**TINY)
    client.send_until_blocked(frame(frames.BINARY, b"x" * 60_000), 40 << 20)
    return client


def begin_too_many_messages(node: Node) -> WebSocket:
    client = PusherClient(node, key="rated")
    client.send(frame(TEXT, '{"event":"pusher:ping"}') * 2)
    return client


SLOWLY_PROVOKED = {"headTimeout": lambda node: node.raw(), "idle": begin_idle, "messageTimeout": begin_message, "slowConsumer": begin_not_reading,
                   "outboxFull": begin_not_reading_replies, "rateLimited": begin_too_many_messages,
                   "applicationFull": lambda node: PusherClient(node, key="full", establish=False),
                   "pongTimeout": lambda node: PusherClient(node, key="lively"),
                   "applicationDisabled": lambda node: PusherClient(node, key="off", establish=False),
                   "applicationUndecided": lambda node: PusherClient(node, key="nobody-knows", establish=False)}
"""Reasons that need time or settings of their own."""


@pytest.mark.settings(STRICT)
def test_reasons_that_take_time(every_node: list[Node]) -> None:
    """All provoked together, on all nodes: each is counted, once."""
    before = [node.metrics() for node in every_node]
    kept = [begin(node) for node in every_node for begin in SLOWLY_PROVOKED.values()]
    for node, first in zip(every_node, before):
        for reason in SLOWLY_PROVOKED:
            wait_until(lambda: node.metrics().closes(reason) == first.closes(reason) + 1, f"{node}: {reason} is counted, once")
    assert kept


def begin_wrong_records(node: Node) -> RawSocket:
    client = node.echo()
    os.write(client.socket.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
    return client


PROVOKED_OVER_TLS = {"handshakeFailed": lambda node: node.send(b"\x16\x03\x01\x00\x05hello", tls=False),
                     "handshakeTimeout": lambda node: node.raw(tls=False), "secureFault": begin_wrong_records}


@pytest.mark.settings(USUAL.with_flags(*secure.flags()).with_environment(CLARION_LIMITS_HANDSHAKE_SECONDS="1"))
def test_reasons_over_tls(node: Node) -> None:
    """What goes wrong with TLS is counted by what it was."""
    for reason, begin in PROVOKED_OVER_TLS.items():
        before = node.metrics().closes(reason)
        kept = begin(node)
        wait_until(lambda: node.metrics().closes(reason) == before + 1, f"{reason} is counted, once")
        kept.close()


def test_every_reason_is_provoked() -> None:
    """No reason that nothing causes: each case of the enum is provoked by a test."""
    source = (REPOSITORY / "Sources" / "Engine" / "CloseReason.swift").read_text()
    reasons = re.findall(r"^    case (\w+)$", source, re.M)
    assert sorted(reasons) == sorted(REASONS)
    # nodeFull: test_node_full below. shutdown: nobody can ask a node that stops; ScriptedClosingTests.stoppingLetsEverythingLeave.
    # proxyHeader: test_listeners.test_1_12_wrong_proxy_headers. addressFull, addressRate, unidentified: test_limits
    # keysSpent needs a kernel that makes records: test_kernel_tls.
    elsewhere = ["nodeFull", "shutdown", "proxyHeader", "addressFull", "addressRate", "unidentified", "keysSpent"]
    assert sorted(reasons) == sorted([*PROVOKED, *SLOWLY_PROVOKED, *PROVOKED_OVER_TLS, *elsewhere])


FULL = USUAL.with_environment(CLARION_LIMITS_CONNECTIONS_MAX="20", CLARION_LIMITS_SUBSCRIPTIONS_PER_CONNECTION_MAX="5")


@pytest.mark.settings(FULL)
def test_node_full(node: Node) -> None:
    """At its most connections the node refuses or delays, counts it, and takes new ones when places are free."""
    refused, full = node.metrics().value("accepts_refused"), node.metrics().closes("nodeFull")
    clients: list[WebSocket] = []
    most = 20 * node.variant.workers
    for _ in range(most + 60):
        try:
            clients.append(WebSocket(node.port, "/ws", origin=GOOD_ORIGIN, timeout=2))
        except (EOFError, OSError, TimeoutError):
            continue
    assert 10 <= len(clients) <= most
    for client in clients:
        assert client.is_alive()
        client.close()

    def reading() -> bool:
        try:
            metrics = node.metrics()
            return metrics.value("accepts_refused") - refused == metrics.closes("nodeFull") - full > 0
        except (EOFError, OSError):
            return False

    wait_until(reading, "refusals are counted, and new connections are served")


@pytest.mark.settings(FULL)
def test_refused_subscriptions(node: Node) -> None:
    refused = node.metrics().value("subscriptions_refused")
    with PusherClient(node) as client:
        client.subscribe(*(f"c{n}" for n in range(5)))
        client.event("pusher:subscribe", {"channel": "c5"})
        assert [g["event"] for g in client.sync()] == ["pusher:error"]
    wait_until(lambda: node.metrics().value("subscriptions_refused") == refused + 1, "it is counted")


def test_responses_by_class(node: Node) -> None:
    def responses(kind: str) -> float:
        metrics = node.metrics()
        return metrics.total([s for s in metrics.families["clarion_http_responses_total"].samples if s[1].get("class") == kind])

    before = responses("4xx"), responses("2xx")
    for _ in range(3):
        assert node.request("GET", "/nowhere").status == 404
        assert api(node, "GET", "/channels", secret="wrong").status == 401
    assert responses("4xx") == before[0] + 6
    assert responses("2xx") > before[1]


def test_cardinality(node: Node) -> None:
    """3.22: names that clients choose never become labels or lines of the log."""
    count, lines = len(re.findall(r"\n", node.metrics().text)), len(node.output().splitlines())
    with PusherClient(node) as client:
        for number in range(90):
            client.event("pusher:subscribe", {"channel": f"cardinal-{number}"})
            client.event("client-x", {}, channel=f"cardinal-{number}")
        client.text("rubbish\r\nforged log line")
        client.sync()
        text = node.metrics().text
    assert "cardinal" not in text and len(re.findall(r"\n", text)) <= count + 2
    assert len(node.output().splitlines()) - lines < 20


def test_the_grafana_dashboard_asks_for_what_there_is(node: Node) -> None:
    """Every metric in docs/grafana-dashboard.json has a sample."""
    client = PusherClient(node)
    names = set(re.findall(r"\b((?:clarion|process)_[a-z_]+)\{", (REPOSITORY / "docs" / "grafana-dashboard.json").read_text()))
    assert len(names) > 10
    metrics = node.metrics()
    assert names <= set(metrics.families), names - set(metrics.families)
    client.close()
