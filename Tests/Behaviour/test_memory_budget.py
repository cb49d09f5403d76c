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
from harness.client import wait_until
from harness.node import USUAL, Variant
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
