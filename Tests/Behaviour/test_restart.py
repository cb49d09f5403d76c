"""Starting anew without a gap, and the service manager (hardening 6.2, 6.6)."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import MANY_OF_EACH, ONE_OF_EACH, is_sanitized
from harness import frames
from harness.client import HOST, WebSocket, wait_until
from harness.node import USUAL, Node, Variant, binary
from harness.pusher import PusherClient


def ask(node: Node, path: str, command: str) -> dict:
    """The answer of a command of the program over the admin socket."""
    ended = subprocess.run([str(binary()), command, "--socket", path, "--json"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr + node.output()[-2000:]
    return json.loads(ended.stdout)


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Connecting(threading.Thread):
    """Opens connections without a pause and asks for an upgrade on each; all have to be answered with 101."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port, self.over, self.count, self.failures = port, threading.Event(), 0, []

    def run(self) -> None:
        while not self.over.is_set():
            try:
                client = WebSocket(self.port, "/echo")
                client.send(frames.frame(frames.TEXT, "hello"))
                got = client.read_frame()
                # The old process may send it away at once.
                if got is None or got.opcode not in (frames.TEXT, frames.CLOSE):
                    self.failures.append(f"number {self.count}: {got}")
                client.close()
                self.count += 1
            except Exception as error:  # noqa: BLE001
                self.failures.append(f"number {self.count}: {error!r}")


@pytest.mark.plain
def test_6_2_restart_loses_no_connection(start, variant: Variant, tmp_path: Path) -> None:
    """Connections come all the while as one process after the other takes over: none is refused, none is reset, all are served. Clients
    of the old process are told to come back; each old process ends."""
    admin = str(tmp_path / "admin.sock")
    extra = str(tmp_path / "clients.sock")
    config = tmp_path / "node.toml"
    config.write_text(f'[[listeners]]\nsocket = "{extra}"\n')
    settings = USUAL.with_flags("--admin-socket", admin, "--config", str(config)).with_environment(
        CLARION_LIMITS_DRAIN_SPREAD_SECONDS="1")
    node = start(settings, variant)
    threads = [Connecting(node.port) for _ in range(4)]
    for thread in threads:
        thread.start()
    processes = [node.process.pid]
    try:
        for _ in range(3):
            client = PusherClient(node)
            before = sum(thread.count for thread in threads)
            answer = ask(node, admin, "restart")
            processes.append(answer["pid"])
            _, closed = client.drain_to_close()
            assert closed is not None and closed.code == 4200
            client.send_if_open(frames.close(4200))
            if len(processes) == 2:
                assert node.process.wait(30) == 0, node.output()[-3000:]
            wait_until(lambda: not is_running(processes[-2]), "the old process has ended")
            wait_until(lambda: sum(thread.count for thread in threads) > before + 40, "connections are opened")
            assert ask(node, admin, "status")["pid"] == processes[-1]
            with socket.socket(socket.AF_UNIX) as local:
                local.connect(extra)
                local.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert local.recv(4096).startswith(b"HTTP/1.1 200")
        for thread in threads:
            thread.over.set()
            thread.join(30)
        failures = [failure for thread in threads for failure in thread.failures]
        assert not failures, f"{len(failures)} of {sum(t.count for t in threads)}: {failures[:5]}"
    finally:
        for thread in threads:
            thread.over.set()
            thread.join(30)
        for process in processes[1:]:
            if is_running(process):
                os.kill(process, signal.SIGTERM)
    wait_until(lambda: not is_running(processes[-1]), "the last one ends")
    assert not Path(admin).exists() and not Path(extra).exists()


@pytest.mark.variants(ONE_OF_EACH)
def test_6_2_restart_that_fails(start, variant: Variant, tmp_path: Path) -> None:
    """A new process that cannot start changes nothing; the command says so."""
    admin, config = str(tmp_path / "admin.sock"), tmp_path / "node.toml"
    config.write_text("workers = 1\n")
    node = start(USUAL.with_flags("--admin-socket", admin, "--config", str(config)), variant)
    client = node.echo()
    config.write_text("[limits]\nhead_seconds = -1\n")
    for _ in range(2):
        ended = subprocess.run([str(binary()), "restart", "--socket", admin], capture_output=True, text=True, timeout=120)
        assert ended.returncode == 1 and "could not start: it ended with status" in ended.stderr, ended
    client.send(frames.frame(frames.TEXT, "still here"))
    assert client.read_message() == b"still here"
    node.check_alive()
    assert node.request("GET", "/up").status == 200


@pytest.mark.plain
@pytest.mark.variants(ONE_OF_EACH)
def test_6_2_a_successor_that_fails_takes_no_names(start, variant: Variant, tmp_path: Path) -> None:
    """It had the sockets already and finds another port taken: the Unix-domain socket and the admin socket stay where they are."""
    admin, extra, config = str(tmp_path / "admin.sock"), str(tmp_path / "clients.sock"), tmp_path / "node.toml"
    config.write_text(f'[[listeners]]\nsocket = "{extra}"\n')
    node = start(USUAL.with_flags("--admin-socket", admin, "--config", str(config)), variant)
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        config.write_text(f'[[listeners]]\nsocket = "{extra}"\n[[listeners]]\nport = {taken.getsockname()[1]}\n')
        ended = subprocess.run([str(binary()), "restart", "--socket", admin], capture_output=True, text=True, timeout=120)
        assert ended.returncode == 1 and "could not start: it ended with status" in ended.stderr, ended
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(extra)
        client.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert ask(node, admin, "status")["pid"] == node.process.pid
    assert sorted(path.name for path in tmp_path.iterdir()) == ["admin.sock", "clients.sock", "node.toml"]
    node.stop_clean()


@pytest.mark.variants(MANY_OF_EACH)
def test_6_2_socket_activation(start, variant: Variant) -> None:
    """A socket that a supervisor opened is used as it is; who connected before the node started is served."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(64)
        port = listener.getsockname()[1]
        early = socket.create_connection((HOST, port))
        early.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        program = ("import os,sys\nos.dup2(int(sys.argv[1]),3)\nos.environ.update(LISTEN_FDS='1',LISTEN_PID=str(os.getpid()))\n"
                   "os.execv(sys.argv[2],sys.argv[2:])")
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(listener.fileno()), str(binary()), "start", "--host", HOST, "--port", str(port), "--workers",
             str(variant.workers), "--backend", variant.backend, "--log-format", "json"], pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE)
    try:
        early.settimeout(60)
        assert early.recv(4096).startswith(b"HTTP/1.1 200")
        with socket.create_connection((HOST, port)) as late:
            late.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert late.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        process.send_signal(signal.SIGTERM)
        _, text = process.communicate(timeout=30)
    assert process.returncode == 0 and b"sockets taken over" in text, text[-2000:]


@pytest.mark.variants(ONE_OF_EACH)
def test_6_6_service_manager(start, variant: Variant, tmp_path: Path) -> None:
    """Ready when it listens, a sign of life while all workers turn, and a word when it stops."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        node = start(USUAL.with_environment(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="2000000"), variant, wait=False)
        assert b"READY=1" in manager.recv(4096).split(b"\n")
        assert node.request("GET", "/up").status == 200
        for _ in range(3):
            assert manager.recv(4096) == b"WATCHDOG=1"
        node.process.send_signal(signal.SIGTERM)
        while (got := manager.recv(4096)) != b"STOPPING=1":
            assert got == b"WATCHDOG=1"
        assert node.process.wait(30) == 0


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has its own ways with signals and tracers")
def test_6_6_stuck_worker(start, variant: Variant) -> None:
    """A worker whose thread stands still ends the process; the log says which."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach = 16
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    node = start(USUAL.with_flags("--watchdog-seconds", "2"), variant)

    def found() -> int:
        """The thread of the last worker, which may begin later than the first one answers."""
        threads = {int(p.name): (p / "comm").read_text().strip() for p in Path(f"/proc/{node.process.pid}/task").iterdir()}
        return next((number for number, name in threads.items() if name == f"worker-{variant.workers - 1}"), 0)

    victim = wait_until(found, "the last worker runs")
    time.sleep(3)
    node.check_alive()
    if libc.ptrace(attach, victim, None, None) != 0:
        pytest.skip("threads cannot be stopped from here: " + os.strerror(ctypes.get_errno()))
    # Its tracer has to see it stop and end; until then nothing else of the process ends either.
    os.waitpid(victim, 0x40000000)
    wait_until(lambda: "a worker is stuck" in node.output(), "the watchdog has seen it", timeout=60)
    deadline = time.monotonic() + 30
    while node.process.poll() is None and time.monotonic() < deadline:
        try:
            os.waitpid(victim, os.WNOHANG | 0x40000000)
        except ChildProcessError:
            pass
        time.sleep(0.05)
    assert node.process.returncode == -signal.SIGABRT, node.process.returncode
    line = next(line for line in node.log_lines() if "a worker is stuck" in json.dumps(line))
    assert line["worker"] == variant.workers - 1
