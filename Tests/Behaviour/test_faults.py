"""Faults of the process and of where its log goes (hardening 3.22, 7.6, 7.7, 7.8, 7.10, 7.11)."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness.client import wait_until
from harness.node import APP_KEY, BASE, HOST, USUAL, Node, Variant, binary, free_port, is_sanitized
from harness.pusher import PusherClient
from test_reload import reload

SOME = [Variant("uring", 4), Variant("epoll", 1)]


class Logged:
    """A node whose log goes to a descriptor of the test's."""

    def __init__(self, target: int, variant: Variant) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [str(binary()), "start", "--host", HOST, "--port", str(self.port), "--workers", str(variant.workers), "--backend", variant.backend,
             "--log-level", "debug", *BASE.flags], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=target)
        wait_until(self.is_up, "the node answers", 30)

    request, raw, echo, metrics = Node.request, Node.raw, Node.echo, Node.metrics
    tls = False

    def is_up(self) -> bool:
        try:
            return self.request("GET", "/up").status == 200
        except (OSError, EOFError):
            return False

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()


def dropped(node: Logged) -> float:
    return node.metrics().families["clarion_log_lines_dropped_total"].samples[0][2]


def provoke(node: Logged) -> None:
    """Makes the node say something."""
    node.process.send_signal(signal.SIGHUP)


@pytest.mark.variants(SOME)
def test_7_10_a_log_that_nobody_reads(variant: Variant) -> None:
    """The pipe is full: workers go on, lines are dropped and counted, and the node still stops in time."""
    if is_sanitized():
        pytest.skip("a thousand reloads, which fill the queue of lines, take minutes with a sanitizer")
    reader, writer = os.pipe()
    # As small as pipes are; full before the node says a word.
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 4096)
    node = Logged(writer, variant)
    os.close(writer)
    try:
        with node.echo() as client:
            deadline = time.monotonic() + 60
            while dropped(node) == 0:
                assert time.monotonic() < deadline, "no line is dropped"
                for _ in range(50):
                    provoke(node)
                    time.sleep(0.002)
                client.text("still here")
                assert client.read_message() == b"still here"
        assert node.end() == 0
    finally:
        node.process.kill()
        os.close(reader)


@pytest.mark.variants(SOME)
def test_7_10_a_log_on_a_full_disk(variant: Variant) -> None:
    """What the disk does not take is lost and counted; nothing else changes."""
    with open("/dev/full", "wb") as full:
        node = Logged(full.fileno(), variant)
    try:
        wait_until(lambda: dropped(node) > 0, "the loss is counted")
        with node.echo() as client:
            client.text("still here")
            assert client.read_message() == b"still here"
        assert node.end() == 0
    finally:
        node.process.kill()


@pytest.mark.variants(SOME)
def test_3_22_control_characters_stay_out_of_the_log(start, variant: Variant) -> None:
    """Names, origins, paths, fields of clients: each line of the log is one line of printable JSON."""
    node = start(USUAL.with_flags("--log-level", "debug"), variant)
    nasty = "a\r\n{\"event\":\"forged\"}\x1b[2J\u202e\x00"
    client = PusherClient(node)
    for name in (nasty, "private-" + nasty, "presence-\x1b]0;x\x07"):
        client.event("pusher:subscribe", {"channel": name, "auth": nasty})
    for path in ("/app/%0d%0aforged", "/%1b%5b2J", "/app/" + APP_KEY + "?protocol=7&client=%0aforged"):
        node.request("GET", path, fields={"User-Agent": "x\x1b[2J", "X-Forwarded-For": "1.2.3.4\x1b"})
    node.upgrade("/ws", origin="http://evil.example\x1b[2J")
    reload(node)
    for line in node.output().splitlines():
        assert line.isprintable() and json.loads(line)["event"] != "forged", line


def test_7_7_names_that_collide_elsewhere(start) -> None:
    """Names chosen to collide (equal under hashes without a seed: sums, XOR, multiplication by 31) spread as others do: the seed is new
    for each process, so tables and homes cannot be aimed at."""
    node = start(BASE, Variant("epoll", 4))
    # "Aa" and "BB" are the same for the hash h*31+c, and so is every mixture of them.
    names = [format(number, "012b").replace("0", "Aa").replace("1", "BB") for number in range(2_000)]
    client = PusherClient(node)
    begin = time.monotonic()
    for name in names[:90]:
        client.subscribe(name)
    seconds = time.monotonic() - begin
    homes = [value for _, _, value in node.metrics().families["clarion_worker_home_channels"].samples]
    assert sum(homes) == 90 and max(homes) < 60, homes
    assert seconds < 30


def test_7_8_socket_ids_are_new_with_each_process(start) -> None:
    """The same slots give other numbers after a restart, and neighbours share nothing that could be guessed."""
    seen: list[list[int]] = []
    for _ in range(2):
        node = start(BASE, Variant("epoll", 1))
        seen.append([int("".join(PusherClient(node).socket_id.split("."))) for _ in range(40)])
    assert not set(seen[0]) & set(seen[1])
    for numbers in seen:
        differences = {after - before for before, after in zip(numbers, numbers[1:])}
        assert len(differences) == len(numbers) - 1, "numbers follow each other in steps"


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer tells of crashes in its own words")
@pytest.mark.variants(SOME)
@pytest.mark.parametrize("sandbox", ["off", "on"])
def test_7_11_a_worker_that_dies_ends_the_process(start, variant: Variant, sandbox: str) -> None:
    """No half of a node goes on; one line names the worker."""
    # The runtime's own report would come behind the line; it takes seconds, and lets a signal that somebody sent pass.
    node = start(BASE.with_flags("--sandbox", sandbox).with_environment(SWIFT_BACKTRACE="enable=no"), variant)
    worker = next(int(task.name) for task in Path(f"/proc/{node.process.pid}/task").iterdir() if (task / "comm").read_text() == "worker-0\n")

    def is_dead() -> bool:
        ctypes.CDLL(None).tgkill(node.process.pid, worker, int(signal.SIGSEGV))
        return node.process.poll() is not None

    wait_until(is_dead, "the process has ended", 60)
    assert node.process.returncode == -signal.SIGSEGV
    assert "clarion: fatal: signal 11 in thread worker-0; the process ends" in node.output()
