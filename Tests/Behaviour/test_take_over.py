"""A second node, started by hand, takes the place of the first (hardening 6.2)."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

import pytest

from conftest import MANY_OF_EACH, ONE_OF_EACH
from harness import frames
from harness.client import HOST, wait_until
from harness.node import SANDBOX, USUAL, Node, Settings, Variant, is_sanitized
from harness.pusher import PusherClient, trigger
from test_restart import Connecting


def taking(admin: Path, *flags: str) -> Settings:
    """A node with its admin socket there, that leaves within a second."""
    return USUAL.with_flags("--admin-socket", str(admin), *flags).with_environment(CLARION_LIMITS_DRAIN_SPREAD_SECONDS="1")


class Publishing(threading.Thread):
    """Publishes all the while, each time over a new connection. Who is told to come back (503, Retry-After) does."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node, self.over, self.count, self.failures = node, threading.Event(), 0, []

    def run(self) -> None:
        while not self.over.is_set():
            try:
                answer = trigger(self.node, "c", data=str(self.count))
                if answer.status == 503 and answer.fields.get("retry-after"):
                    continue
                if answer.status != 200:
                    self.failures.append(f"number {self.count}: {answer}")
                self.count += 1
            except Exception as error:  # noqa: BLE001
                self.failures.append(f"number {self.count}: {error!r}")


@pytest.mark.plain
@pytest.mark.parametrize("confined", [False, True] if not is_sanitized() else [False], ids=lambda confined: "sandbox" if confined else "")
def test_6_2_take_over_loses_no_connection(start, variant: Variant, tmp_path: Path, confined: bool) -> None:
    """Connections and publishes come all the while as a node started by hand takes over from one that runs: none is refused or reset, all
    are answered. The first sends its clients away and ends with status 0. It may be in a sandbox, for it starts no program."""
    settings = taking(tmp_path / "admin.sock", *(SANDBOX if confined else ()))
    nodes = [start(settings, variant)]
    threads = [Connecting(nodes[0].port) for _ in range(3)] + [Publishing(nodes[0])]
    for thread in threads:
        thread.start()
    try:
        for number in range(2):
            client = PusherClient(nodes[-1])
            before = [thread.count for thread in threads]
            # The number of workers may change with it.
            workers = variant.workers + (1 if number == 0 else 0)
            nodes.append(start(settings.with_flags("--take-over"), Variant(variant.backend, workers), port=nodes[0].port, wait=False))
            wait_until(lambda: "\"ready\"" in nodes[-1].output(), "it serves", timeout=60)
            _, closed = client.drain_to_close(timeout=60)
            assert closed is not None and closed.code == 4200
            client.send_if_open(frames.close(4200))
            assert nodes[-2].process.wait(60) == 0, nodes[-2].output()[-3000:]
            wait_until(lambda: all(thread.count > count + 10 for thread, count in zip(threads, before)), "all goes on", timeout=60)
        for thread in threads:
            thread.over.set()
            thread.join(60)
        failures = [failure for thread in threads for failure in thread.failures]
        assert not failures, f"{len(failures)} of {sum(t.count for t in threads)}: {failures[:5]}"
    finally:
        for thread in threads:
            thread.over.set()
            thread.join(60)
    assert nodes[-1].stop(signal.SIGTERM) == 0
    assert not (tmp_path / "admin.sock").exists()


@pytest.mark.variants(ONE_OF_EACH)
def test_6_2_take_over_needs_the_flag(start, variant: Variant, tmp_path: Path) -> None:
    """Two nodes on one port by accident are an error, which says what to do; the first goes on."""
    first = start(taking(tmp_path / "one.sock"), variant)
    second = start(taking(tmp_path / "two.sock"), variant, port=first.port, wait=False)
    assert second.process.wait(60) == 1
    wait_until(lambda: "Address already in use" in second.output(), second.output())
    wait_until(lambda: "clarion start --take-over" in second.output() and "clarion restart" in second.output(), second.output())
    # With the flag it has to find the node, by its admin socket: a port that somebody else holds stays an error.
    third = start(taking(tmp_path / "two.sock", "--take-over"), variant, port=first.port, wait=False)
    assert third.process.wait(60) == 1
    wait_until(lambda: "Address already in use" in third.output(), third.output())
    wait_until(lambda: "no node to take over from" in third.output(), third.output())
    off = start(USUAL.with_flags("--admin-socket", "off", "--take-over"), variant, port=first.port, wait=False)
    assert off.process.wait(60) == 1
    wait_until(lambda: "without an admin socket" in off.output(), off.output())
    first.check_alive()


@pytest.mark.variants(ONE_OF_EACH)
def test_6_2_take_over_of_nobody(start, variant: Variant, tmp_path: Path) -> None:
    """Where no node runs, the flag changes nothing; so it may stand in every start."""
    node = start(taking(tmp_path / "admin.sock", "--take-over"), variant)
    wait_until(lambda: "no node to take over from" in node.output(), "it says that there is none")
    node.stop_clean()


@pytest.mark.variants(MANY_OF_EACH)
def test_6_2_take_over_that_fails(start, variant: Variant, tmp_path: Path) -> None:
    """Who asks for the sockets and ends, or says nonsense, changes nothing; meanwhile nobody else gets them; the next one may ask."""
    admin = tmp_path / "admin.sock"
    node = start(taking(admin), variant)
    for number, last_word in enumerate((b"", b"nonsense\n", b'{"ready":false}\n')):
        with socket.socket(socket.AF_UNIX) as client, socket.socket(socket.AF_UNIX) as other:
            client.connect(str(admin))
            client.sendall(b'{"command":"take-over"}\n')
            data, descriptors, _, _ = socket.recv_fds(client, 4096, 64)
            for descriptor in descriptors:
                socket.socket(fileno=descriptor).close()
            assert b'"sockets":%d' % variant.workers in data, data
            other.connect(str(admin))
            other.sendall(b'{"command":"take-over"}\n')
            assert b"taking over already" in other.recv(4096)
            client.sendall(last_word)
        wait_until(lambda: node.output().count("does not serve; this one goes on") > number, "the node has seen it")
        node.check_alive()
    echo = node.echo()
    start(taking(admin, "--take-over"), variant, port=node.port)
    echo.expect_close(1012)
    assert node.process.wait(60) == 0
    with socket.create_connection((HOST, node.port)) as late:
        late.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert late.recv(4096).startswith(b"HTTP/1.1 200")
