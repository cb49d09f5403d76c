"""A bound on memory: what is given up, in which order, and that it holds (hardening 4.2, 4.12)."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from conftest import ONE_OF_EACH, is_sanitized
from harness import frames
from harness.client import close_all, wait_until
from harness.deflate import DeflateSocket
from harness.node import GOOD_ORIGIN, USUAL, Variant
from harness.pusher import trigger

MEBIBYTE = 1 << 20
LIMIT = 384 * MEBIBYTE


@contextlib.contextmanager
def group(limit: int):
    """A control group with a limit of memory, as the file to which its processes are written; None where none can be made."""
    for base, name, limit_file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.limit_in_bytes"),
                                   ("/sys/fs/cgroup", "cgroup.controllers", "memory.max")):
        folder = Path(base) / f"clarion-test-{os.getpid()}"
        if not (Path(base) / name).exists():
            continue
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / limit_file).write_text(str(limit))
        except OSError:
            folder.rmdir()
            continue
        try:
            yield folder / "cgroup.procs"
        finally:
            with contextlib.suppress(AssertionError, OSError):
                wait_until(lambda: not (folder / "cgroup.procs").read_text().strip(), "the group is empty", timeout=20)
                folder.rmdir()
        return
    yield None


class Greedy(threading.Thread):
    """Sends to /echo as fast as it is taken, on many connections, and never reads; connects anew when it is cut."""

    def __init__(self, node, count: int) -> None:
        super().__init__()
        self.node, self.count, self.over, self.cut, self.sent = node, count, threading.Event(), 0, 0

    def connect(self):
        try:
            client = self.node.echo()
            client.socket.setblocking(False)
            return client
        except Exception:  # noqa: BLE001
            return None

    def run(self) -> None:
        data = frames.frame(frames.BINARY, b"\0" * (4 * MEBIBYTE))
        clients = [[None, 0] for _ in range(self.count)]
        while not self.over.is_set():
            for entry in clients:
                if entry[0] is None:
                    entry[0], entry[1] = self.connect(), 0
                    continue
                try:
                    count = entry[0].socket.send(memoryview(data)[entry[1]:])
                    self.sent += count
                    entry[1] = (entry[1] + count) % len(data)
                except BlockingIOError:
                    pass
                except OSError:
                    self.cut += 1
                    entry[0].close()
                    entry[0] = None
            time.sleep(0.001)
        for client, _ in clients:
            if client is not None:
                client.close()


@pytest.mark.plain
@pytest.mark.variants(ONE_OF_EACH)
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has memory of its own")
def test_4_12_twice_what_it_can_bear(start, variant: Variant) -> None:
    """Readers that read nothing are sent many times what the limit of the control group allows. The node is not killed, stays below the
    limit, gives up slow readers, and who reads is served all the while."""
    with group(LIMIT) as processes:
        settings = USUAL if processes else USUAL.with_flags("--memory-max", str(LIMIT))

        def enter() -> None:
            if processes:
                processes.write_text(str(os.getpid()))

        node = start(settings, variant, before_exec=enter)
        assert any(line.get("bound") == LIMIT for line in node.log_lines()), node.output()
        good = node.echo()
        greedy = Greedy(node, 60)
        greedy.start()
        most = rounds = 0
        deadline = time.monotonic() + 60
        try:
            while (greedy.sent < 2 * LIMIT or greedy.cut < 20) and time.monotonic() < deadline:
                good.send(frames.frame(frames.TEXT, f"round {rounds}"))
                assert good.read_message() == f"round {rounds}".encode()
                rounds += 1
                most = max(most, node.resident_bytes())
            assert node.process.poll() is None, node.output()[-2000:]
            metrics = node.metrics()
            assert greedy.sent >= 2 * LIMIT and greedy.cut >= 20, (greedy.sent, greedy.cut, most)
        finally:
            greedy.over.set()
            greedy.join(60)
        assert most < LIMIT, f"{most} bytes"
        assert metrics.value("shed_readers_total") > 0 and rounds > 10
        wait_until(lambda: node.metrics().value("memory_level_max") == 0, "memory has come back", timeout=60)
        assert node.echo()
        node.stop_clean()


@pytest.mark.variants(ONE_OF_EACH)
def test_4_12_last_step(start, variant: Variant) -> None:
    """Over its bound from the start: nothing new is let in or published, with 503 and a time to come back; who asks how it is, is told."""
    node = start(USUAL.with_flags("--memory-max", str(MEBIBYTE)), variant)
    wait_until(lambda: node.metrics().value("memory_level_max") == 4, "the last step")
    client, answer = node.upgrade("/app/app-key?protocol=7")
    assert answer.status == 503 and answer.fields["retry-after"]
    refused = trigger(node, "c")
    assert refused.status == 503 and refused.fields["retry-after"]
    assert node.request("GET", "/up").status == 200
    assert node.metrics().value("shed_connections_total") == 2
    node.stop_clean()


# Steps 1 and 2: what the node gives up before anybody loses anything

BOUND = 320 * MEBIBYTE
BALLAST = 2 * MEBIBYTE
SHORT = USUAL.with_flags("--memory-max", str(BOUND), "--deflate", "dedicated", "--limits-message-seconds", "600", "--limits-log-bytes-max",
                         str(8 * MEBIBYTE), "--limits-slow-consumer-seconds", "600")


class Ballast:
    """Memory of the node that stays as long as a test wants: messages that were begun and do not end."""

    def __init__(self, node) -> None:
        self.node, self.parts = node, []

    def raise_to(self, level: int) -> None:
        """Adds as little as makes the node say that it is at this level."""
        deadline = time.monotonic() + 120
        enough = BOUND * {1: 70, 2: 78}[level] // 100
        while self.level() < level:
            assert time.monotonic() < deadline, f"level {self.level()}, {self.node.resident_bytes()} bytes"
            if self.node.resident_bytes() >= enough:
                time.sleep(0.05)  # it will be seen, or memory goes back
                continue
            client = self.node.echo()
            client.send(frames.frame(frames.BINARY, b"x" * BALLAST, fin=False))
            assert client.is_alive(), "what was sent before the ping is there"
            self.parts.append(client)
        assert self.level() == level

    def level(self) -> int:
        return int(self.node.metrics().value("memory_level_max"))

    def drop(self) -> None:
        for client in self.parts:
            client.reset()
        self.parts = []


def readers_of(node, channel: str):
    """A reader with a context of its own, one without compression, and one that speaks Pusher's protocol."""
    dedicated = DeflateSocket(node.port, "/ws", origin=GOOD_ORIGIN)
    dedicated.json({"action": "subscribe", "channel": channel})
    assert dedicated.agreed and not dedicated.server_alone
    plain = node.realtime(channel)
    for client in (dedicated, plain):
        node.heard(client, channel)
        client.sees_probes = False
    return dedicated, plain


@pytest.mark.plain
@pytest.mark.variants(ONE_OF_EACH)
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has memory of its own")
def test_4_12_contexts_are_given_up(start, variant: Variant) -> None:
    """Step 1: contexts of compression go. Their connections stay, get everything, and still compressed; who comes now is agreed
    with on mode shared. When memory is back, contexts are."""
    node = start(SHORT, variant)
    readers = readers_of(node, "c")
    ballast = Ballast(node)
    sent = 0

    def broadcast(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            text = f"{sent} " + "price " * 100
            assert node.broadcast("c", text).status == 202
            sent += 1
            assert all(reader.read_message() == text.encode() for reader in readers)

    broadcast(20)
    assert readers[0].deflated >= 20 and node.metrics().value("shed_contexts_total") == 0
    ballast.raise_to(1)
    wait_until(lambda: node.metrics().value("shed_contexts_total") > 0, "contexts are given back")
    given = node.metrics().value("shed_contexts_total")
    broadcast(50)
    assert ballast.level() == 1 and readers[0].deflated >= 70
    assert node.metrics().value("shed_contexts_total") == given, "no context is taken while memory is short"
    late = DeflateSocket(node.port, "/ws", origin=GOOD_ORIGIN)
    assert late.agreed and late.server_alone
    ballast.drop()
    wait_until(lambda: ballast.level() == 0, "memory has come back", timeout=60)
    broadcast(20)
    after = DeflateSocket(node.port, "/ws", origin=GOOD_ORIGIN)
    assert after.agreed and not after.server_alone
    metrics = node.metrics()
    assert metrics.value("shed_logs_total") == 0 and metrics.value("shed_readers_total") == 0 and metrics.closes("slowConsumer") == 0
    close_all()
    node.stop_clean()


@pytest.mark.plain
@pytest.mark.variants(ONE_OF_EACH)
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has memory of its own")
def test_4_12_logs_are_given_up(start, variant: Variant) -> None:
    """Step 2: logs no longer grow for those who do not read. These are cut, as slow ones always are; who reads gets every message, in
    order, however fast they come."""
    node = start(SHORT, variant)
    readers = readers_of(node, "c")
    blocked = node.realtime("c", receive_buffer=4096)
    node.heard(blocked, "c")
    ballast = Ballast(node)
    ballast.raise_to(2)
    before = node.metrics()
    assert before.value("block_bytes") > 0 and before.closes("slowConsumer") == 0
    publisher = node.realtime()
    got: list[list[int]] = [[] for _ in readers]
    total, batch = 0, 100
    deadline = time.monotonic() + 60
    # Until the one that does not read was in the way of a log: its socket takes some megabytes before.
    while node.metrics().value("shed_logs_total") == 0:
        assert time.monotonic() < deadline, "no log was given up"
        for number in range(total, total + batch):
            publisher.json({"action": "publish", "channel": "c", "message": f"{number} " + os.urandom(1500).hex()})
        total += batch
        for reader, numbers in zip(readers, got):
            while len(numbers) < total:
                numbers.append(int(reader.read_message().split(b" ", 1)[0]))
        if ballast.level() < 2:
            ballast.raise_to(2)
    assert all(numbers == list(range(total)) for numbers in got)
    blocked.sees_probes = True
    assert blocked.drain_to_close()[1] is not None, "the one who did not read is told that it was cut"
    wait_until(lambda: node.metrics().closes("slowConsumer") == 1, "and is counted")
    metrics = node.metrics()
    assert metrics.value("shed_readers_total") == 0 and metrics.value("shed_connections_total") == 0
    ballast.drop()
    wait_until(lambda: ballast.level() == 0, "memory has come back", timeout=60)
    for reader in readers:
        assert reader.is_alive()
    close_all()
    node.stop_clean()
