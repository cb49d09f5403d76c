"""Starting, choosing a backend, configuration, stopping."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import MANY_OF_EACH, ONE_OF_EACH, is_sanitized
from harness import frames, seccomp
from harness.client import HOST, RawSocket, wait_until
from harness.node import GOOD_ORIGIN, USUAL, VARIANTS, Node, Variant, binary
from harness.pusher import PusherClient, trigger
from test_realtime import ENVELOPE


def run(*arguments: str, environment: dict[str, str] | None = None, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("REVERB_", "CLARION_"))}
    return subprocess.run([str(binary()), *arguments], capture_output=True, text=True, timeout=timeout, env=clean | (environment or {}),
                          stdin=subprocess.DEVNULL)


# stopping

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_stop_tells_everyone(start, variant: Variant, number: int) -> None:
    """Each protocol's close code, what was queued before it, then status 0. Nothing new is accepted."""
    node = start(USUAL, variant)
    pusher, realtime, echo, idle = PusherClient(node), node.realtime("c"), node.echo(), node.raw()
    pusher.subscribe("c")
    node.heard(realtime, "c")
    assert trigger(node, "c", data="last words").status == 200
    node.process.send_signal(number)
    before, closed = pusher.drain_to_close()
    assert b"last words" in before[0].payload
    assert closed is not None and closed.code in (4200, 4100), closed
    pusher.send_if_open(frames.close(closed.code))
    before, closed = realtime.drain_to_close()
    assert closed is not None and closed.code in (None, 1001, 1012), closed
    realtime.send_if_open(frames.close(closed.code))
    before, closed = echo.drain_to_close()
    assert closed is not None and closed.code in (1001, 1012), closed
    echo.send_if_open(frames.close(closed.code))
    for client in (pusher, realtime, echo, idle):
        client.expect_end()
    assert node.process.wait(15) == 0
    with pytest.raises(OSError):
        RawSocket(node.port)
    node.stop_clean()


def test_stop_in_envelope_mode(start) -> None:
    """Generation 2 closes without a code, or says 1001 or 1012."""
    node = start(ENVELOPE, VARIANTS[0])
    client = node.realtime("c")
    assert client.read_json()["type"] == "subscribed"
    node.process.send_signal(signal.SIGTERM)
    client.expect_close(None, 1001, 1012)
    assert node.process.wait(15) == 0


def test_stop_with_peers_that_do_not_answer(start) -> None:
    """Peers that do not read, do not answer the close, or are in the middle of a request do not hold up the end beyond the drain time."""
    settings = USUAL.with_environment(CLARION_LIMITS_DRAIN_SECONDS="2", CLARION_LIMITS_CLOSE_SECONDS="1")
    nodes = [start(settings, variant) for variant in VARIANTS]
    kept = []
    for node in nodes:
        stuck = PusherClient(node, receive_buffer=4096, segment=536)
        stuck.subscribe("c")
        for _ in range(20):
            assert trigger(node, "c", data="x" * 9000).status == 200
        kept += [stuck, node.echo(), node.raw(), node.send(b"POST /apps/app-id/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")]
        half = node.echo()
        half.send(frames.frame(frames.TEXT, "x" * 1000)[:500])
        kept.append(half)
    begun = time.monotonic()
    for node in nodes:
        node.process.send_signal(signal.SIGTERM)
    for node in nodes:
        assert node.process.wait(20) == 0, node.output()
    assert time.monotonic() - begun < 15
    assert kept


def test_second_signal(start) -> None:
    """A second signal ends the wait at once; nobody has to find kill -9."""
    node = start(USUAL.with_environment(CLARION_LIMITS_DRAIN_SECONDS="60", CLARION_LIMITS_CLOSE_SECONDS="60"), VARIANTS[0])
    stuck = PusherClient(node, receive_buffer=4096, segment=536)
    stuck.subscribe("c")
    for _ in range(20):
        assert trigger(node, "c", data="x" * 9000).status == 200
    node.process.send_signal(signal.SIGTERM)
    time.sleep(0.7)
    if node.process.poll() is None:
        node.process.send_signal(signal.SIGTERM)
    node.process.wait(5)


def test_stop_under_load(start, variant: Variant) -> None:
    """500 connections are told and gone in time; every one gets a close frame."""
    node = start(USUAL, variant)
    clients = [node.realtime("load") for _ in range(500)]
    wait_until(lambda: node.metrics().value("subscriptions") == 500, "all are subscribed")
    node.process.send_signal(signal.SIGTERM)
    for client in clients:
        _, closed = client.drain_to_close()
        assert closed is not None
        client.send_if_open(frames.close(closed.code))
        client.close()
    assert node.process.wait(15) == 0


@pytest.mark.variants(MANY_OF_EACH)
def test_stop_loses_nothing_that_was_answered(start, variant: Variant) -> None:
    """What an application was told is published reaches every subscriber before that is told that the node stops, whichever workers
    it passes; also where the end comes in the middle of it."""
    node = start(USUAL, variant)
    readers = [PusherClient(node) for _ in range(8)]
    channels = [f"stop{n}" for n in range(6)]
    for reader in readers:
        reader.subscribe(*channels)
    answered: list[int] = []
    lock, numbers = threading.Lock(), itertools.count()

    def publish() -> None:
        while True:
            number = next(numbers)
            try:
                if trigger(node, channels[number % len(channels)], data={"n": number}).status != 200:
                    return
            except (OSError, EOFError):
                return
            with lock:
                answered.append(number)

    publishers = [threading.Thread(target=publish) for _ in range(4)]
    for thread in publishers:
        thread.start()
    wait_until(lambda: len(answered) > 200, "there is traffic", pause=0.01)
    node.process.send_signal(signal.SIGTERM)
    for reader in readers:
        before, closed = reader.drain_to_close()
        assert closed is not None and closed.code in (4200, 4100), closed
        got = [json.loads(json.loads(f.payload)["data"])["n"] for f in before if b"my-event" in f.payload]
        assert len(got) == len(set(got))
        reader.send_if_open(frames.close(closed.code))
        for thread in publishers:
            thread.join(20)
        assert set(answered) <= set(got), f"{sorted(set(answered) - set(got))} were answered and are lost"
    assert node.process.wait(15) == 0


def test_stop_at_once(start) -> None:
    """A signal in the first moments is obeyed."""
    for delay in (0.0, 0.01, 0.03, 0.1):
        node = start(USUAL, VARIANTS[1], wait=False)
        time.sleep(delay)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(15) in (0, -signal.SIGTERM)


def test_other_signals(node: Node) -> None:
    """SIGPIPE and SIGHUP do not end a node that serves."""
    node.process.send_signal(signal.SIGPIPE)
    time.sleep(0.1)
    node.check_alive()


# starting

def test_busy_port(start) -> None:
    """A port that another program has: a clear line, a status that is not 0, at once."""
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        port = holder.getsockname()[1]
        for backend in ("uring", "epoll"):
            ended = run("start", "--host", HOST, "--port", str(port), "--backend", backend, "--workers", "2")
            assert ended.returncode not in (0, None) and ended.returncode > 0, ended
            assert str(port) in ended.stderr and "in use" in ended.stderr.lower(), ended.stderr


def test_port_of_another_node(start) -> None:
    """SO_REUSEPORT must not let two nodes share a port unnoticed."""
    first = start(USUAL, VARIANTS[0])
    ended = run("start", "--host", HOST, "--port", str(first.port), "--app-id", "1", "--app-key", "k", "--app-secret", "s", timeout=20)
    assert ended.returncode > 0, "a second node took the same port"
    first.check_alive()


def test_bad_address() -> None:
    ended = run("start", "--host", "203.0.113.1", "--port", "0")
    assert ended.returncode > 0 and "203.0.113.1" in ended.stderr, ended


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "-1"], ["--port", "x"], ["--workers", "-1"], ["--backend", "kqueue"], ["--nonsense"],
                                       ["--realtime-mode", "loud"], ["--accept-client-events-from", "some"], ["--config", "/nonexistent.toml"]],
                         ids=lambda a: "_".join(a))
def test_bad_flags(arguments: list[str]) -> None:
    """Refused with a sentence that names the flag or the value."""
    ended = run("start", *arguments)
    assert ended.returncode > 0
    assert any(word.strip("-") in ended.stderr for word in arguments), ended.stderr
    if arguments[0] == "--port":
        assert f"'{arguments[1]}'" in ended.stderr and "0 to 65535" in ended.stderr, ended.stderr


def test_bad_environment() -> None:
    ended = run("start", environment={"REVERB_SERVER_PORT": "high"})
    assert ended.returncode > 0 and "REVERB_SERVER_PORT" in ended.stderr, ended.stderr


def test_start_lines(start) -> None:
    """JSON logs: each line is an object; one says where to connect; one says which backend and why."""
    for variant in VARIANTS:
        node = start(USUAL, variant)
        wait_until(lambda: str(node.port) in node.output(), "the line that says where to connect")
        lines = node.log_lines()
        assert lines and all(isinstance(line, dict) for line in lines)
        text = node.output()
        backend = [line for line in lines if variant.backend in str(line)]
        assert backend, text
        node.stop_clean()
        for line in node.output().splitlines():
            assert line.startswith("{") and line.endswith("}"), line


def test_text_logs(start) -> None:
    node = start(USUAL.with_flags("--log-format", "text"), VARIANTS[0])
    wait_until(lambda: str(node.port) in node.output(), "the line that says where to connect")
    assert not node.output().startswith("{")


def test_nothing_is_logged_per_message(start) -> None:
    node = start(USUAL.with_flags("--log-level", "debug"), VARIANTS[0])
    client = PusherClient(node)
    client.subscribe("c")
    lines = len(node.output().splitlines())
    for number in range(100):
        client.event("client-x", {"n": number}, channel="c")
    client.sync()
    assert len(node.output().splitlines()) - lines < 10


# backends

@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS, errno.EACCES], ids=["EPERM", "ENOSYS", "EACCES"])
def test_io_uring_refused(start, error: int) -> None:
    """7.1: auto falls to epoll and says so with the reason; everything works."""
    node = start(USUAL, Variant("auto", 2), before_exec=lambda: seccomp.refuse_io_uring(error))
    assert node.metrics().families["clarion_info"].samples[0][1]["backend"] == "epoll"
    line = next(line for line in node.log_lines() if "epoll" in str(line))
    assert "uring" in str(line), line
    client = node.echo()
    client.text("on epoll")
    client.expect(frames.TEXT, b"on epoll")
    client.close()
    node.stop_clean()


def test_io_uring_refused_but_asked_for() -> None:
    """`--backend uring` does not fall back: it says why it cannot, with a status."""
    ended = subprocess.run([str(binary()), "start", "--host", HOST, "--port", "0", "--backend", "uring"], capture_output=True, text=True, timeout=30,
                           preexec_fn=seccomp.refuse_io_uring, stdin=subprocess.DEVNULL)
    assert ended.returncode > 0
    assert "uring" in ended.stderr, ended.stderr


def test_auto_takes_io_uring(start) -> None:
    """Where the kernel grants it."""
    node = start(USUAL, Variant("auto", 2))
    info = node.metrics().families["clarion_info"].samples[0][1]
    assert info["backend"] == "uring", node.output()
    assert any("uring" in str(line) for line in node.log_lines())


def test_more_connections_than_descriptors(start) -> None:
    """Direct descriptors: 600 connections under `ulimit -n 256` on io_uring, all of them served."""
    node = start(USUAL.with_descriptors(256), Variant("uring", 4))
    clients = [node.echo() for _ in range(600)]
    for number, client in enumerate(clients):
        client.text(str(number))
    for number, client in enumerate(clients):
        client.expect(frames.TEXT, str(number).encode())
    assert node.descriptor_count() < 256
    assert node.metrics().value("sockets", "open") == 600
    for client in clients:
        client.close()
    wait_until(lambda: node.metrics().value("sockets", "open") == 0, "they are gone")
    again = [node.echo() for _ in range(600)]
    for client in again:
        assert client.is_alive()
        client.close()
    node.stop_clean()


def test_more_connections_than_the_file_table(start) -> None:
    """A ring's table is bounded by the limit of descriptors; connections beyond it are descriptors, and 128 of those are left."""
    node = start(USUAL.with_descriptors(256), Variant("uring", 1))
    for _ in range(2):
        first = node.descriptor_count()
        clients = [node.echo() for _ in range(320)]
        assert first + 50 < node.descriptor_count() <= 128
        for number, client in enumerate(clients):
            client.text(str(number))
        for number, client in enumerate(clients):
            client.expect(frames.TEXT, str(number).encode())
        assert node.metrics().value("sockets", "open") == 320
        for client in clients:
            client.close()
        wait_until(lambda: node.metrics().value("sockets", "open") == 0, "they are gone")
        wait_until(lambda: node.descriptor_count() <= first + 2, "descriptors go back")
    node.stop_clean()


def test_connections_spread_over_workers(start) -> None:
    for variant in MANY_OF_EACH:
        node = start(USUAL, variant)
        clients = [node.echo() for _ in range(200)]
        metrics = node.metrics()
        each = [s[2] for s in metrics.families["clarion_worker_sockets_open"].samples]
        assert sum(each) == 200 and all(value > 10 for value in each), each
        for client in clients:
            client.close()


def test_idle_node_is_idle(start) -> None:
    """Four workers with clients that say nothing use next to no CPU: no polling, no wake-ups."""
    for variant in MANY_OF_EACH:
        node = start(USUAL, variant)
        clients = [node.echo() for _ in range(20)]
        time.sleep(0.3)
        before = node.cpu_seconds()
        time.sleep(2.0)
        assert node.cpu_seconds() - before < (1.0 if is_sanitized() else 0.25)
        assert len(clients) == 20


@pytest.mark.variants(ONE_OF_EACH)
def test_restart_on_the_same_port(start, variant: Variant) -> None:
    """A node can take the port of its predecessor at once, with connections of that still in TIME_WAIT."""
    first = start(USUAL, variant)
    clients = [first.echo() for _ in range(10)]
    first.stop()
    for client in clients:
        client.close()
    start(USUAL, variant, port=first.port).stop_clean()


def test_crowd_leaves_descriptors(node: Node) -> None:
    """Descriptors and connections return to what they were."""
    first = node.descriptor_count()
    for _ in range(3):
        clients = [node.realtime("c", origin=GOOD_ORIGIN) for _ in range(200)]
        for number, client in enumerate(clients):
            client.reset() if number % 2 else client.close()
    wait_until(lambda: node.descriptor_count() <= first + 4, "descriptors go back")
    wait_until(lambda: node.metrics().value("connections", "open") <= 8, "connections go back")


# settings

def test_version() -> None:
    for arguments in (["version"], ["--version"]):
        ended = run(*arguments)
        assert ended.returncode == 0 and any(c.isdigit() for c in ended.stdout), ended


def test_layers(tmp_path) -> None:
    """Flags win over environment, over file, over default; secrets are masked."""
    file = tmp_path / "clarion.toml"
    file.write_text("port = 7001\nworkers = 3\n[[apps]]\nid = \"file-id\"\nkey = \"file-key\"\nsecret = \"hidden-file-secret\"\n")
    ended = run("config", "--config", str(file))
    assert ended.returncode == 0 and "7001" in ended.stdout and "file-key" in ended.stdout, ended
    assert "hidden-file-secret" not in ended.stdout + ended.stderr
    ended = run("config", "--config", str(file), environment={"REVERB_SERVER_PORT": "7002", "REVERB_APP_SECRET": "hidden-env-secret"})
    assert "7002" in ended.stdout and "7001" not in ended.stdout.replace(str(file), ""), ended.stdout
    assert "hidden-env-secret" not in ended.stdout + ended.stderr
    ended = run("config", "--config", str(file), "--port", "7003", environment={"REVERB_SERVER_PORT": "7002"})
    assert "7003" in ended.stdout, ended.stdout
    ended = run("config", environment={"CLARION_PORT": "7005", "REVERB_SERVER_PORT": "7004"})
    assert "7005" in ended.stdout, ended.stdout


def test_bad_files(tmp_path) -> None:
    """6.4: refused as a whole, with the place and the reason."""
    for text, word in (("port = \"x\"\n", "port"), ("nonsense = 1\n", "nonsense"), ("port = \n", ""), ("workers = -1\n", "workers"),
                       ("[limits]\nhead_seconds = 0\n", "head_seconds"), ("port = 1\n\n[[apps]]\nid = \"a\"\n", "bad.toml:3: application 1 has no key, no secret")):
        file = tmp_path / "bad.toml"
        file.write_text(text)
        for command in ("config", "start"):
            ended = run(command, "--config", str(file))
            assert ended.returncode > 0, (command, text)
            assert "bad.toml" in ended.stderr and word in ended.stderr, (command, text, ended.stderr)
