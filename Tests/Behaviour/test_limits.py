"""Bounds on how many connections come and how much they send (hardening rows 1.13, 4.10, 4.11)."""

from __future__ import annotations

import select
import signal
import socket
import time
from pathlib import Path

import pytest

from conftest import MANY_OF_EACH, ONE_OF_EACH, leave
from harness.client import HOST, RawSocket, WebSocket, wait_until
from harness.node import BASE, BROADCAST_SECRET, GOOD_ORIGIN, Node, Settings, Variant
from harness.pusher import PusherClient, api

pytestmark = pytest.mark.variants(ONE_OF_EACH + MANY_OF_EACH)
FLOOD, OTHER = "127.0.0.9", "127.0.0.10"
PER_ADDRESS = BASE.with_flags("--limits-connections-per-address", "20")
PER_CLIENT = PER_ADDRESS.with_flags("--trusted-proxies", "127.0.0.8/30")


def is_open(connection: RawSocket) -> bool:
    """Whether the node answers on a connection."""
    try:
        connection.send(b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.read_response().status == 200
    except (OSError, EOFError):
        return False


def flood(node: Node, count: int, source: str = FLOOD) -> list[RawSocket]:
    """Connections of one address that were not refused."""
    opened = []
    for _ in range(count):
        try:
            opened.append(node.raw(source=source))
        except OSError:
            continue  # reset before connect() had returned
    return [connection for connection in opened if is_open(connection)]


@pytest.mark.settings(PER_ADDRESS)
def test_row_1_13_connections_of_one_address(node: Node) -> None:
    """1.13: a flood from one address holds as many connections as it may; another address connects normally. It is so again after
    the connections have ended in every way."""
    before = node.metrics()
    for ending in ("reset", "close", "close_frames", "bad_requests"):
        mine = wait_until(lambda: full_flood(node), f"all places are free, before {ending}")
        for _ in range(3):
            with node.echo(source=OTHER) as client:
                assert client.is_alive()
        for connection in mine:
            if ending == "reset":
                connection.reset()
            elif ending == "bad_requests":
                connection.send_if_open(b"nonsense\r\n\r\n")
                connection.read_rest()
                connection.close()
            else:
                connection.close()
        if ending == "close_frames":
            for client in wait_until(lambda: sockets(node, 20), "20 WebSockets"):
                client.say_goodbye()
    after = node.metrics()
    refused = after.closes("addressFull") - before.closes("addressFull")
    assert refused >= 4 * 40
    assert after.value("clarion_address_refusals_total") - before.value("clarion_address_refusals_total") == refused


def sockets(node: Node, count: int) -> list | None:
    """So many WebSockets of the flooding address; None when that many cannot be had."""
    clients = []
    try:
        for _ in range(count):
            clients.append(node.echo(source=FLOOD))
        return clients
    except (OSError, EOFError, AssertionError):
        for client in clients:
            client.close()
        return None


def full_flood(node: Node) -> list[RawSocket] | None:
    """More connections than the address may have, and of these as many as it may. None when earlier ones still count."""
    mine = flood(node, 60)
    assert len(mine) <= 20
    if len(mine) == 20:
        return mine
    for connection in mine:
        connection.reset()
    return None


@pytest.mark.settings(PER_CLIENT.with_flags("--proxy-protocol"))
def test_row_1_13_clients_of_a_balancer(node: Node) -> None:
    """1.13: behind a balancer it is the client in the PROXY header that counts, not the balancer."""
    kept = []

    def client(number: int) -> bool:
        connection = node.raw(source=FLOOD)
        kept.append(connection)
        connection.send_if_open(b"PROXY TCP4 198.51.100.%d 192.0.2.1 5000 80\r\n" % number)
        return is_open(connection)

    assert sum(client(1) for _ in range(30)) == 20
    assert sum(client(2) for _ in range(30)) == 20
    assert all(is_open(node.raw(source=OTHER)) is False for _ in range(2))  # a balancer without its header
    assert all(is_open(node.raw()) for _ in range(5))  # a stranger without a header is himself
    assert len(kept) == 60


@pytest.mark.settings(PER_CLIENT)
def test_row_1_13_clients_in_fields(node: Node) -> None:
    """1.13: the client that a trusted balancer names in X-Forwarded-For counts when it upgrades."""
    kept = []

    def upgrade(number: int) -> int:
        connection = node.raw(source=FLOOD)
        kept.append(connection)
        connection.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: 2001:db8:1:%d::%d\r\n\r\n" % (number % 2, number))
        response = connection.read_response()
        assert response.status == 101 or response.fields["retry-after"] == "1"
        return response.status

    answers = [upgrade(number) for number in range(60)]
    assert answers[:40] == [101] * 40 and answers[40:] == [429] * 20
    assert is_open(node.raw(source=FLOOD)) and len(kept) == 60


def test_row_1_13_the_bound_may_change(start, tmp_path: Path, variant: Variant) -> None:
    """SIGHUP sets the bound where there was none, and takes it away."""
    path = tmp_path / "clarion.toml"

    def write(bound: int) -> None:
        path.write_text(f"echo = true\n[limits]\nconnections_per_address = {bound}\n")

    write(0)
    node = start(Settings(flags=("--config", str(path), "--log-format", "json")), variant)
    early = flood(node, 10)
    assert len(early) == 10
    write(3)
    reload(node, 1)
    # Who came before is not counted; each worker learns of the bound in its own time.
    wait_until(lambda: places(node, 10) == 3, "the bound holds")
    write(0)
    reload(node, 2)
    wait_until(lambda: places(node, 10) == 10, "there is no bound")
    assert all(is_open(connection) for connection in early)


def places(node: Node, count: int) -> int:
    """How many connections the flooding address gets at once."""
    mine = flood(node, count)
    for connection in mine:
        connection.reset()
    return len(mine)


def reload(node: Node, times: int) -> None:
    """Sends SIGHUP, and waits until the node says that it has read its configuration."""
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: sum(line["event"] == "reloaded" for line in node.log_lines()) >= times, "reloaded")


RATE = ("--limits-connections-per-address-per-second", "2", "--limits-connections-per-address-burst", "20")


@pytest.mark.settings(BASE.with_flags(*RATE))
def test_row_1_13_connections_that_come_too_fast(node: Node) -> None:
    """1.13: one address opens connections, and ends them, faster than it may: those over the rate are reset. Another address is served,
    and so is this one when it has waited."""
    wait_until(lambda: is_open(node.raw(source=OTHER)), "a token of the other address")
    before, begun = node.metrics(), time.monotonic()
    answered = 0
    for _ in range(100):
        mine = flood(node, 1)
        answered += len(mine)
        for connection in mine:
            connection.close()
    # What came in the time that it took is no fault; how long that was, nobody knows.
    assert answered <= 20 + 2 * (time.monotonic() - begun) + 1
    assert answered >= 15 or before.value("clarion_address_rate_refusals_total") > 0
    with node.echo(source=OTHER) as client:
        assert client.is_alive()
    after = node.metrics()
    refused = after.closes("addressRate") - before.closes("addressRate")
    assert refused == 100 - answered
    assert after.value("clarion_address_rate_refusals_total") - before.value("clarion_address_rate_refusals_total") == refused
    assert after.closes("addressFull") == 0
    wait_until(lambda: len(flood(node, 1)) == 1, "a token is back")


@pytest.mark.settings(BASE.with_flags(*RATE, "--trusted-proxies", "127.0.0.8/30"))
def test_row_1_13_clients_that_come_too_fast(node: Node) -> None:
    """1.13: the balancer may open as many as it likes; its clients are refused when they upgrade too often, and told to come back."""

    def upgrade(number: int) -> int:
        with node.raw(source=FLOOD) as connection:
            connection.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: 2001:db8:7:%d::1\r\n\r\n" % number)
            response = connection.read_response()
            assert response.status == 101 or response.fields["retry-after"] == "1"
            return response.status

    begun = time.monotonic()
    network = time.monotonic_ns() % 60_000  # not that of an earlier run on this node
    answers = [upgrade(network % 9000) for _ in range(80)]
    most = 20 + 2 * (time.monotonic() - begun) + 1
    assert answers[:20] == [101] * 20 and answers.count(101) <= most and set(answers) == {101, 429}
    assert upgrade(9999) == 101
    assert is_open(node.raw(source=FLOOD))


@pytest.mark.settings(BASE.with_environment(CLARION_LIMITS_UNIDENTIFIED_MAX="100", CLARION_LIMITS_HEAD_SECONDS="300"))
def test_row_1_1_more_silent_ones_than_may_be(node: Node) -> None:
    """1.1, 1.2: far more connections than may be unidentified say nothing, or half a head, for as long as they like. Each newcomer costs
    the oldest its place; who speaks is let in at once and stays, and so does a connection that rests between requests."""
    resting = node.raw()
    assert is_open(resting)
    first = node.echo()
    before = node.metrics()
    silent: list[RawSocket] = []
    for number in range(400):
        silent.append(node.raw())
        silent[-1].send_if_open(b"GET /echo HTTP/1.1\r\n" if number % 2 else b"")
        if number % 50 == 49:
            with node.echo() as client:
                assert client.is_alive()

    def settled() -> bool:
        metrics = node.metrics()
        cut = metrics.closes("unidentified") - before.closes("unidentified")
        return cut >= 400 - 100 - node.variant.workers and metrics.value("clarion_unidentified") <= 100 + node.variant.workers

    wait_until(settled, "those over the bound are cut")
    assert first.is_alive() and is_open(resting)
    ended = select.select([connection.socket for connection in silent], [], [], 0)[0]
    # One worker: exactly the oldest are gone.
    if node.variant.workers == 1:
        assert {connection.socket for connection in silent[:250]} <= set(ended) and silent[-1].socket not in ended
    for connection in silent:
        connection.close()
    wait_until(lambda: node.metrics().value("clarion_unidentified") <= 1, "none is left but who asks")


PACED = BASE.with_flags("--limits-accepts-per-second", "40", "--limits-accepts-burst", "10")


def connect_soon(node: Node) -> socket.socket:
    """A connection that the kernel makes, and the node takes when it will."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex((HOST, node.port))
    return connection


@pytest.mark.plain
@pytest.mark.settings(PACED)
def test_row_1_13_accepts_over_the_rate_wait(node: Node) -> None:
    """1.13: more connections than the rate allows are all served, later; none is refused, and the node does not spin meanwhile."""
    before = node.metrics()
    start, cpu = time.monotonic(), node.cpu_seconds()
    waiting = [connect_soon(node) for _ in range(150)]
    for connection in waiting:
        connection.settimeout(60)
        wait_until(lambda: select.select([], [connection], [], 0)[1], "the kernel has connected")
        connection.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for connection in waiting:
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        connection.close()
    spent = time.monotonic() - start
    # 10 at once, then 40 a second; what was being accepted when the tokens ended (16 of each worker) is paid back.
    assert spent >= (150 - 10 - 64) / 40 - 0.5
    assert node.cpu_seconds() - cpu < max(0.5 * spent, 1)
    after = node.metrics()
    assert after.value("clarion_accepts_refused_total") == before.value("clarion_accepts_refused_total")
    assert after.value("clarion_accepts_paced_total") > before.value("clarion_accepts_paced_total")


@pytest.mark.settings(PACED)
def test_open_connections_do_not_feel_the_rate(node: Node) -> None:
    """While new connections wait, those that are there are served at once."""
    client = node.echo()
    waiting = [connect_soon(node) for _ in range(100)]
    for number in range(100):
        client.text(f"{number}")
        client.expect(1, f"{number}".encode())
    for connection in waiting:
        connection.close()


# 4.10, 4.11: what an application publishes

RATED_PUBLISHING = BASE.with_environment(REVERB_APP2_ID="app-2", REVERB_APP2_KEY="key-2", REVERB_APP2_SECRET="secret-2",
                                         CLARION_APP_PUBLISHES_PER_SECOND_MAX="5", CLARION_APP_PUBLISHES_BURST="10")
OTHER_APP = {"app": "app-2", "key": "key-2", "secret": "secret-2"}


def refused_publishes(node: Node) -> float:
    """Requests that were refused with 429."""
    metrics = node.metrics()
    return metrics.total(metrics.select(lambda name, labels: name == "clarion_publishes_refused_total" and labels["reason"] == "rate"))


@pytest.mark.settings(RATED_PUBLISHING)
def test_row_4_10_publishing_over_the_rate(node: Node) -> None:
    """4.10: over its rate an application gets 429 and is told when to come back; every publish of another one passes meanwhile, and
    reaches its subscribers."""
    event = {"name": "e", "channel": "c", "data": "x"}
    mine, others = PusherClient(node), PusherClient(node, key="key-2")
    mine.subscribe("c")
    others.subscribe("c")
    before = refused_publishes(node)
    answers = []
    for number in range(60):
        answers.append(api(node, "POST", "/events", event | {"data": f"{number}"}))
        assert api(node, "POST", "/events", event | {"data": f"{number}"}, **OTHER_APP).status == 200
    for number in range(60):
        assert others.read_json()["data"] == f"{number}"
    passed = [number for number, answer in enumerate(answers) if answer.status == 200]
    refused = [answer for answer in answers if answer.status != 200]
    assert len(passed) >= 10 and refused
    for answer in refused:
        assert answer.status == 429 and answer.fields["retry-after"] == "1" and b"5 messages a second" in answer.body, answer
    # What was refused was not published.
    for number in passed:
        assert mine.read_json()["data"] == f"{number}"
    assert refused_publishes(node) - before == len(refused)
    # A batch is let in as a whole, on credit: events count once for each channel.
    wait_until(lambda: api(node, "POST", "/events", event).status == 200, "a token is back")
    mine.read_json()
    wait_until(lambda: api(node, "POST", "/batch_events", {"batch": [event] * 10}).status == 200, "a token is back")
    answer = api(node, "POST", "/events", event | {"channel": "d"})
    assert answer.status == 429 and answer.fields["retry-after"] in ("2", "5")
    for _ in range(10):
        assert mine.read_json()["data"] == "x"
    # Questions are not publishing.
    assert api(node, "GET", "/channels").status == 200


@pytest.mark.settings(BASE.with_flags("--realtime-secret", BROADCAST_SECRET, "--realtime-mode", "raw", "--realtime-origins", GOOD_ORIGIN)
                      .with_environment(CLARION_REALTIME_BROADCASTS_PER_SECOND="5", CLARION_REALTIME_BROADCASTS_BURST="20"))
def test_row_4_10_broadcasts_over_the_rate(node: Node) -> None:
    """4.10: /internal/broadcast over its rate answers 429 with a time to come back, publishes nothing of that, and every message that
    was taken arrives. Who has not got the secret takes no token."""
    client = node.realtime("c")
    node.heard(client, "c")
    before = node.metrics().value("clarion_broadcasts_refused_total")
    for _ in range(50):
        assert node.broadcast("c", "x", secret="wrong").status == 403
    answers = [node.broadcast("c", f"{number}") for number in range(80)]
    passed = [number for number, answer in enumerate(answers) if answer.status == 202]
    refused = [answer for answer in answers if answer.status != 202]
    assert passed and refused
    for answer in refused:
        assert answer.status == 429 and answer.fields["retry-after"] == "1", answer
    for number in passed:
        assert client.read_message() == f"{number}".encode()
    assert node.metrics().value("clarion_broadcasts_refused_total") - before == len(refused)
    wait_until(lambda: node.broadcast("c", "last").status == 202, "a token is back")
    assert client.read_message() == b"last"


# What one connection sends

METERED = BASE.with_flags("--limits-messages-per-second", "100", "--limits-messages-burst", "10")
METERED_BYTES = BASE.with_flags("--limits-bytes-per-second", "65536", "--limits-bytes-burst", "16384")


def served(client: WebSocket, first: int, count: int, size: int) -> float:
    """Sends so many messages at once and reads their echoes; the seconds it took."""
    start = time.monotonic()
    for number in range(first, first + count):
        client.text(f"{number} ".ljust(size, "x"))
    for number in range(first, first + count):
        client.expect(1, f"{number} ".ljust(size, "x").encode())
    return time.monotonic() - start


@pytest.mark.parametrize("settings, count, size", [(METERED, 200, 50), (METERED_BYTES, 100, 1000)], ids=["messages", "bytes"])
def test_one_who_sends_too_much_waits(pool, variant: Variant, settings: Settings, count: int, size: int) -> None:
    """Who sends more than it may is read later: every message is answered, in order, in no less time than the rate says. Others are
    served at once, and the connection stays."""
    node = pool.get(settings, variant)
    before = node.metrics().value("clarion_input_rested_total")
    client, other = node.echo(), node.echo()
    spent = served(client, 0, count, size)
    assert other.is_alive()
    spent += served(client, count, 20, size)
    # 200 messages at 100 a second, or 100 000 bytes at 65 536, less the burst; generous, for what is in a buffer comes on credit.
    assert spent >= 1
    assert node.metrics().value("clarion_input_rested_total") > before
    assert client.is_alive() and other.is_alive()
    client.say_goodbye()
    other.say_goodbye()
    leave(node)
