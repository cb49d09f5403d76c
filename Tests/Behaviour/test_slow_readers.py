"""Readers that do not read, crowds that come and go, pauses (hardening section 4)."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest

from conftest import MANY_OF_EACH, is_sanitized
from harness import frames
from harness.client import RawSocket, WebSocket, wait_until
from harness.horde import Horde
from harness.node import GOOD_ORIGIN, USUAL, VARIANTS, Node
from harness.pusher import PusherClient, trigger

MIB = 1 << 20
SMALL_LOG = USUAL.with_environment(CLARION_LIMITS_LOG_BYTES_MAX=str(128 << 10), CLARION_LIMITS_CLOSE_SECONDS="5",
                                   CLARION_LIMITS_SLOW_CONSUMER_SECONDS="3")
SKIP = USUAL.with_environment(CLARION_LIMITS_LOG_BYTES_MAX=str(128 << 10), CLARION_LIMITS_SLOW_CONSUMER_POLICY="skip",
                              CLARION_LIMITS_SLOW_CONSUMER_SECONDS="600")
CONFLATE = USUAL.with_environment(CLARION_LIMITS_LOG_BYTES_MAX=str(128 << 10), CLARION_LIMITS_SLOW_CONSUMER_POLICY="conflate",
                                  CLARION_LIMITS_SLOW_CONSUMER_SECONDS="600")
SKIP_ENVELOPE = SKIP.with_flags("--realtime-mode", "envelope")
PATIENT_CLOSE = USUAL.with_environment(CLARION_LIMITS_LOG_BYTES_MAX=str(128 << 10), CLARION_LIMITS_CLOSE_SECONDS="1",
                                       CLARION_LIMITS_SLOW_CONSUMER_SECONDS="8")
TINY = dict(receive_buffer=4096, segment=536)
"""A client whose kernel, and whose peer's kernel, buffer next to nothing."""


def publisher(node: Node) -> WebSocket:
    """One who publishes on /ws."""
    return WebSocket(node.port, "/ws", origin=GOOD_ORIGIN)


def publish(client: WebSocket, channel: str, number: int, size: int) -> None:
    """Publishes a numbered message of some size."""
    client.json({"action": "publish", "channel": channel, "message": f"{number:08d}" + "x" * (size - 8)})


def read_numbers(client: WebSocket, count: int) -> list[int]:
    """The numbers of so many messages."""
    return [int(client.read_message()[:8]) for _ in range(count)]


@pytest.mark.settings(SMALL_LOG)
def test_one_stops_reading(node: Node) -> None:
    """4.1: others get everything in order; the one who stopped gets what came before, without a gap, then a close that says why."""
    memory, slow = node.resident_bytes(), node.metrics().closes("slowConsumer")
    good = [node.realtime("news") for _ in range(20)]
    stopped = node.realtime("news", "else", **TINY)
    for client in [*good, stopped]:
        node.heard(client, "news")
    total, size = 2000, 2000
    seen = [0] * len(good)

    def read(index: int) -> None:
        while seen[index] < total:
            number = int(good[index].read_message()[:8])
            if number != seen[index]:
                return
            seen[index] += 1

    readers = [threading.Thread(target=read, args=(k,)) for k in range(len(good))]
    for reader in readers:
        reader.start()
    source = publisher(node)
    for number in range(total):
        publish(source, "news", number, size)
        while number - min(seen) > 10:  # what is in flight fits the small log
            assert all(reader.is_alive() or at == total for reader, at in zip(readers, seen)), f"good readers ended at {seen}"
            time.sleep(0.0005)
    for reader in readers:
        reader.join(60)
    assert seen == [total] * len(good)
    before, closed = stopped.drain_to_close()
    numbers = [int(f.payload[:8]) for f in before if f.opcode < 8]
    assert numbers == list(range(len(numbers))), "a hidden gap"
    assert len(numbers) < total
    assert closed is not None and closed.code in (None, 1013), closed
    stopped.send_if_open(frames.close(closed.code))
    stopped.expect_end()
    wait_until(lambda: node.metrics().closes("slowConsumer") == slow + 1, "the reason is counted")
    if not is_sanitized():
        assert node.resident_bytes() - memory < 8 * MIB
    for client in good:
        assert client.is_alive()
        client.close()


@pytest.mark.plain  # 400 handshakes would take longer than the close may
@pytest.mark.settings(SMALL_LOG)
def test_pusher_client_stops_reading(node: Node) -> None:
    """4.1, 4.4: the Pusher protocol closes with 4100: reconnect after a second. A ping's pong overtakes no data, but the close comes."""
    stopped, good = PusherClient(node, **TINY), PusherClient(node)
    stopped.subscribe("room")
    good.subscribe("room")
    total = 400
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(json.loads(good.read_json()["data"])["n"] for _ in range(total)))
    reader.start()
    for number in range(total):
        assert trigger(node, "room", data={"n": number, "pad": "x" * 3000}).status == 200
    reader.join(60)
    assert seen == list(range(total))
    before, closed = stopped.drain_to_close()
    texts = [json.loads(f.payload) for f in before if f.opcode < 8]
    errors = [t for t in texts if t["event"] == "pusher:error"]
    numbers = [json.loads(t["data"])["n"] for t in texts if t["event"] == "my-event"]
    assert numbers == list(range(len(numbers))) and len(numbers) < total
    assert closed is not None and closed.code == 4100, closed
    assert all(texts.index(e) >= len(texts) - 1 for e in errors), "data behind the error"
    stopped.send_if_open(frames.close(4100))
    stopped.expect_end()


@pytest.mark.settings(SMALL_LOG)
def test_takes_nothing_for_long(every_node: list[Node]) -> None:
    """4.1: a reader that takes nothing is closed after the time for it (3 s here), though the log has not passed it."""
    waiting = []
    for node in every_node:
        slow = node.metrics().closes("slowConsumer")
        stopped = PusherClient(node, **TINY)
        stopped.subscribe("calm")
        for _ in range(25):
            assert trigger(node, "calm", data="x" * 4000).status == 200
        waiting.append((node, slow, stopped))
    time.sleep(4.5)
    for node, slow, stopped in waiting:
        _, closed = stopped.drain_to_close()
        assert closed is not None and closed.code == 4100, node
        stopped.close()
        wait_until(lambda: node.metrics().closes("slowConsumer") == slow + 1, f"{node}: it is counted")


@pytest.mark.settings(SKIP)
def test_skip(node: Node) -> None:
    """Policy skip: the reader that stopped stays, loses, and goes on with the newest; each message at most once, in order; counted."""
    stopped = node.realtime("news", **TINY)
    node.heard(stopped, "news")
    total = 500
    skipped = node.metrics().value("skip")
    for number in range(total):
        assert node.broadcast("news", f"{number:08d}" + "x" * 1992).status == 202
    numbers = [int(stopped.read_message()[:8])]
    while numbers[-1] != total - 1:
        numbers.append(int(stopped.read_message()[:8]))
    assert numbers == sorted(set(numbers)) and len(numbers) < total
    wait_until(lambda: node.metrics().value("skip") == skipped + total - len(numbers), "each lost message is counted")
    assert stopped.is_alive()


@pytest.mark.settings(SKIP)
def test_row_4_1_gap_in_pusher(node: Node) -> None:
    """4.1: never a hidden gap. Policy skip tells a Pusher client how many events of which channel are missing, where they are."""
    stopped = PusherClient(node, **TINY)
    stopped.subscribe("news", "calm")
    total = 300
    for number in range(total):
        assert trigger(node, "news", data={"n": number, "pad": "x" * 3000}).status == 200
    got, lost = [], []
    while not got or got[-1] != total - 1:
        message = stopped.read_json()
        if message["event"] == "clarion:gap":
            assert message["channel"] == "news"
            lost.append((len(got), json.loads(message["data"])["lost"]))
        else:
            got.append(json.loads(message["data"])["n"])
    jumps = [(i, got[i] - got[i - 1] - 1) for i in range(1, len(got)) if got[i] != got[i - 1] + 1]
    assert got[0] == 0 and jumps and jumps == lost
    assert stopped.is_alive()


@pytest.mark.settings(SKIP_ENVELOPE)
def test_row_4_1_gap_in_envelope_mode(node: Node) -> None:
    """4.1: on /ws in envelope mode a gap is a message of its own. (Raw mode has no word for it: docs/REALTIME.md.)"""
    stopped = node.realtime("news", **TINY)
    assert stopped.read_json() == {"type": "subscribed", "channel": "news"}
    total = 500
    for number in range(total):
        assert node.broadcast("news", json.dumps([number, "x" * 2000])).status == 202
    got, lost = [], []
    while not got or got[-1] != total - 1:
        message = stopped.read_json()
        if message["type"] == "gap":
            assert message["channel"] == "news"
            lost.append((len(got), message["lost"]))
        else:
            got.append(message["payload"][0])
    jumps = [(i, got[i] - got[i - 1] - 1) for i in range(1, len(got)) if got[i] != got[i - 1] + 1]
    assert got[0] == 0 and jumps and jumps == lost
    assert stopped.is_alive()


@pytest.mark.settings(PATIENT_CLOSE)
def test_row_4_4_close_after_a_while(every_node: list[Node]) -> None:
    """4.1, 4.4: a reader that was cut, and reads again later than an ordinary close may take, still finds what it had and why."""
    stopped = []
    for node in every_node:
        slow = node.metrics().closes("slowConsumer")
        client = PusherClient(node, **TINY)
        client.subscribe("news")
        cut = node.metrics().value("subscriptions")
        for number in range(100):
            assert trigger(node, "news", data={"n": number, "pad": "x" * 6000}).status == 200
        wait_until(lambda: node.metrics().value("subscriptions") < cut, f"{node}: it is cut")
        stopped.append((node, client, slow))
    time.sleep(3.0)
    for node, client, slow in stopped:
        before, closed = client.drain_to_close()
        numbers = [json.loads(json.loads(f.payload)["data"])["n"] for f in before]
        assert numbers == list(range(len(numbers))) and numbers
        assert closed is not None and closed.code == 4100, (node, closed)
        client.send_if_open(frames.close(4100))
        client.expect_end()
        wait_until(lambda: node.metrics().closes("slowConsumer") == slow + 1, f"{node}: it is counted")


@pytest.mark.settings(CONFLATE)
def test_conflate(node: Node) -> None:
    """Policy conflate: once behind, only the newest waits."""
    stopped = node.realtime("news", **TINY)
    node.heard(stopped, "news")
    total = 500
    for number in range(total):
        assert node.broadcast("news", f"{number:08d}" + "x" * 1992).status == 202
    numbers = [int(stopped.read_message()[:8])]
    while numbers[-1] != total - 1:
        numbers.append(int(stopped.read_message()[:8]))
    assert numbers == sorted(set(numbers)) and len(numbers) < total
    assert stopped.is_alive()


@pytest.mark.settings(SMALL_LOG)
def test_many_stop_reading(node: Node) -> None:
    """4.2: three hundred who do not read cost logs, not queues; the node and a good reader go on."""
    clients = []
    for _ in range(300):
        client = PusherClient(node, **TINY)
        client.subscribe("crowd")
        clients.append(client)
    good = PusherClient(node)
    good.subscribe("crowd")
    slow, memory, peak = node.metrics().closes("slowConsumer"), node.resident_bytes(), 0
    total = 100
    for number in range(total):
        assert trigger(node, "crowd", data={"n": number, "pad": "x" * 8000}).status == 200
        assert json.loads(good.read_json()["data"])["n"] == number
        peak = max(peak, node.resident_bytes())
    for client in clients:
        client.close()
    wait_until(lambda: node.metrics().closes("slowConsumer") == slow + 300, "all are closed for it")
    if not is_sanitized():
        # Receive buffers that were never touched before count too: 2 MiB for each worker.
        assert peak - memory < 16 * MIB, f"{(peak - memory) >> 10} KiB for 300 readers who do not read"


LITTLE_MEMORY = USUAL.with_environment(CLARION_LIMITS_BLOCK_BYTES_MAX=str(MIB), CLARION_LIMITS_SLOW_CONSUMER_SECONDS="60")


@pytest.mark.settings(LITTLE_MEMORY)
def test_row_4_12_memory_of_all_logs(node: Node) -> None:
    """4.12: forty channels, each with one who does not read, want ten times the memory that all logs may have. Logs stay within it;
    those who do not read are cut; one who reads all forty gets everything."""
    channels = [f"log{n}" for n in range(40)]
    stopped = [PusherClient(node, **TINY) for _ in channels]
    for client, channel in zip(stopped, channels):
        client.subscribe(channel)
    good = PusherClient(node)
    good.subscribe(*channels)
    slow, peak = node.metrics().closes("slowConsumer"), 0.0
    for number in range(30):
        for channel in channels:
            assert trigger(node, channel, data={"n": number, "pad": "x" * 8000}).status == 200
        assert [json.loads(good.read_json()["data"])["n"] for _ in channels] == [number] * len(channels)
        peak = max(peak, node.metrics().value("block_bytes"))
    assert peak <= node.variant.workers * 2 * MIB, f"{peak} bytes"
    for client in stopped:
        client.close()
    wait_until(lambda: node.metrics().closes("slowConsumer") > slow, "some were cut for it")


SMALL_ECHO = USUAL.with_environment(CLARION_LIMITS_ECHO_MESSAGE_BYTES_MAX=str(64 << 10), CLARION_LIMITS_OUTBOX_BYTES_MAX=str(64 << 10))


@pytest.mark.settings(SMALL_ECHO)
def test_row_4_1_echo_that_nobody_reads(node: Node) -> None:
    """4.1, 4.3: what waits for one who uses /echo and does not read has a bound of its own, by name; then it is closed with 1013."""
    with node.echo() as client:
        client.send(frames.frame(frames.BINARY, b"", declared=(64 << 10) + 1))
        client.expect_close(1009)
    full, memory = node.metrics().closes("outboxFull"), node.resident_bytes()
    with node.echo(**TINY) as client:
        client.send_until_blocked(frames.frame(frames.BINARY, b"x" * 60_000), 40 << 20)
        before, closed = client.drain_to_close()
        assert all(len(f.payload) == 60_000 for f in before)
        assert closed is not None and closed.code == 1013, closed
    wait_until(lambda: node.metrics().closes("outboxFull") == full + 1, "it is counted")
    if not is_sanitized():
        assert node.resident_bytes() - memory < 8 * MIB


def test_replies_that_nobody_reads(node: Node) -> None:
    """4.1: who asks and does not read fills its own bounded outbox, then the node stops reading or closes; memory stays."""
    memory = node.resident_bytes()
    with node.echo(**TINY) as client:
        client.send_until_blocked(frames.frame(frames.BINARY, b"x" * 50_000), 200 << 20)
        if not is_sanitized():
            assert node.resident_bytes() - memory < 48 * MIB  # two messages of the largest size /echo takes, and slack
    with PusherClient(node, **TINY) as pinger:
        pinger.send_until_blocked(frames.frame(frames.TEXT, '{"event":"pusher:ping","data":{}}') * 100, 40 << 20)
        if not is_sanitized():
            assert node.resident_bytes() - memory < 48 * MIB  # two messages of the largest size /echo takes, and slack
    node.check_alive()


@pytest.mark.settings(SMALL_LOG)
def test_close_behind_a_full_queue(node: Node) -> None:
    """4.4: a client that stopped reading breaks a rule; when it reads again the close code is there."""
    client = PusherClient(node, **TINY)
    client.subscribe("full")
    for _ in range(8):
        assert trigger(node, "full", data="x" * 4000).status == 200
    client.send(frames.frame(frames.TEXT, "x", mask=None))
    time.sleep(0.1)
    _, closed = client.drain_to_close()
    assert closed is not None and closed.code == 1002


HORDE = 10_000
"""A process may have 20 000 descriptors where this is tested most; a horde has a process of its own."""


@pytest.mark.variants(MANY_OF_EACH)
def test_row_4_6_mass_disconnect(start, variant) -> None:
    """4.6: ten thousand die at once, with their process, while others come; all is as it was before."""
    if is_sanitized():
        pytest.skip("a sanitizer makes ten thousand too slow")
    node = start(USUAL, variant)
    node.metrics()  # all workers answer it, so all have opened what they need
    descriptors, memory = node.descriptor_count(), 0
    for round_number in range(2):
        horde = Horde(node, HORDE, "realtime")
        wait_until(lambda: node.metrics().value("subscriptions") == 2 * HORDE, "all are subscribed", timeout=60)
        horde.kill()
        # New ones are served before the dead are cleared away, or among it.
        fresh = [PusherClient(node) for _ in range(20)]
        for client in fresh:
            client.subscribe("x")
        wait_until(lambda: node.metrics().value("subscriptions") == len(fresh), "all are gone", timeout=60)
        for client in fresh:
            assert client.sync() == []
            client.close()
        wait_until(lambda: node.metrics().value("sockets", "open") == 0, "tables are empty")
        if round_number == 0:
            memory = node.resident_bytes()
    assert node.resident_bytes() - memory < 4 * MIB, "memory grows from horde to horde"
    wait_until(lambda: node.descriptor_count() <= descriptors + 4, "descriptors go back")
    node.stop_clean()


def test_mass_disconnect(node: Node) -> None:
    """4.6: a thousand vanish at once while new ones come; tables, descriptors and memory go back."""
    descriptors, metrics = node.descriptor_count(), node.metrics()
    subscriptions = metrics.value("subscriptions")
    memory = 0
    for round_number in range(3):
        crowd = [node.realtime(f"room{n % 50}", "all") for n in range(1000)]
        wait_until(lambda: node.metrics().value("subscriptions") == subscriptions + 2000, "all are subscribed")
        for client in crowd:
            client.reset()
        with PusherClient(node) as fresh:
            fresh.subscribe("x")
        wait_until(lambda: node.metrics().value("subscriptions") == subscriptions, "all are gone")
        if round_number == 0:
            memory = node.resident_bytes()
    wait_until(lambda: node.descriptor_count() <= descriptors + 4, "descriptors go back")
    if not is_sanitized():
        assert node.resident_bytes() - memory < 3 * MIB, "memory grows from crowd to crowd"


def test_churn(node: Node) -> None:
    """4.7: channels created and left by the thousand: tables go back, memory stays."""
    with PusherClient(node) as client:
        channels = node.metrics().value("channels")
        marks = []
        for batch in range(40):
            names = [f"churn-{batch}-{n}" for n in range(50)]
            for _ in range(5):
                client.subscribe(*names)
                for name in names:
                    client.event("pusher:unsubscribe", {"channel": name})
            assert client.sync() == []
            marks.append(node.resident_bytes())
        wait_until(lambda: node.metrics().value("channels") == channels, "the channels are gone")
        if not is_sanitized():
            assert marks[-1] - marks[len(marks) // 2] < MIB, "memory grows with channels that are gone"


def test_small_room_beside_a_large_one(node: Node) -> None:
    """4.9: a small room hears its messages while a large one is served; both hear all, in order."""
    crowd = [node.realtime("large") for _ in range(500)]
    large, small = crowd[0], node.realtime("small")
    node.heard(small, "small")
    wait_until(lambda: node.metrics().value("subscriptions") >= 501, "all are subscribed")
    node.heard(large, "large")
    source = publisher(node)
    for number in range(200):
        publish(source, "large", number, 500)
        publish(source, "small", number, 20)
    assert read_numbers(small, 200) == list(range(200))
    for client in crowd:
        assert read_numbers(client, 200) == list(range(200))
        client.close()


PATIENT = USUAL.with_environment(CLARION_APP_PING_INTERVAL_SECONDS="3")


def test_stopped_process(start) -> None:
    """4.13: after SIGSTOP of longer than every deadline and SIGCONT nobody is closed in mass; the deadlines move on. Nine seconds are
    enough: each deadline here is 3 s, and a pause counts as one from 5 s on; a minute would only cost time."""
    nodes = [start(PATIENT, variant) for variant in VARIANTS]
    clients: list[tuple[Node, PusherClient]] = []
    for node in nodes:
        for _ in range(10):
            client = PusherClient(node)
            client.subscribe("c")
            clients.append((node, client))
    time.sleep(2.0)
    for node in nodes:
        node.process.send_signal(signal.SIGSTOP)
    time.sleep(9.0)
    for node in nodes:
        node.process.send_signal(signal.SIGCONT)
    time.sleep(1.0)
    for node, client in clients:
        client.event("pusher:ping", {})
        while True:
            got = client.read_frame()
            assert got is not None and got.opcode != frames.CLOSE, f"{node} closed a client because the node itself was stopped: {got}"
            if b"pusher:pong" in got.payload:
                break
    for node in nodes:
        assert node.metrics().closes("pongTimeout") == 0
        node.stop_clean()


def test_connections_return_to_the_start(node: Node) -> None:
    """4.15: after aborts of every kind the gauges are what is really there."""
    metrics = node.metrics()
    start_open, start_channels = metrics.value("connections", "open"), metrics.value("channels")
    for n in range(100):
        client = node.realtime(f"a{n}", f"b{n}")
        if n % 4 == 0:
            client.reset()
        elif n % 4 == 1:
            client.close()
        elif n % 4 == 2:
            client.say_goodbye()
        else:
            client.send(b"\xff\xff\xff")
            client.close()
        RawSocket(node.port).close()
    wait_until(lambda: node.metrics().value("connections", "open") <= start_open, "connections")
    wait_until(lambda: node.metrics().value("channels") <= start_channels, "channels")
