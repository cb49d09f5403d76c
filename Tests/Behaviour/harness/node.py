"""Starts and stops nodes."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from . import secure
from .client import HOST, PATIENCE, PROBE, RawSocket, Response, WebSocket, upgrade_request
from .metrics import Metrics

REPOSITORY = Path(__file__).resolve().parents[3]
APP_ID, APP_KEY, APP_SECRET = "app-id", "app-key", "app-secret"
BROADCAST_SECRET = "broadcast-secret"
GOOD_ORIGIN = "http://good.example"
OTHER_ORIGIN = "https://other.example:8443"

PAGE_BYTES = resource.getpagesize()
SANITIZER_WORDS = (b"ERROR: AddressSanitizer", b"ERROR: LeakSanitizer", b"WARNING: ThreadSanitizer", b"Fatal error:",
                   b"runtime error:")


SANDBOX = ("--sandbox", "on")
EVERYWHERE: tuple[str, ...] = SANDBOX if os.environ.get("CLARION_SANDBOX", "") == "on" else ()
"""Flags of nodes beside those that their tests want."""


def binary() -> Path:
    """The program under test: `CLARION_BIN`, or the release build of this repository."""
    path = Path(os.environ.get("CLARION_BIN", REPOSITORY / ".build" / "release" / "clarion"))
    return path if path.is_absolute() else REPOSITORY / path


def is_sanitized() -> bool:
    """Whether the program was built with a sanitizer, which multiplies memory and time."""
    return os.environ.get("CLARION_SANITIZER", "") != ""


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Settings:
    """How a node is started, apart from backend and workers."""

    flags: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    descriptors: int | None = None
    """`ulimit -n` of the node."""

    def with_flags(self, *flags: str) -> "Settings":
        return Settings(self.flags + flags, self.environment, self.descriptors)

    def with_environment(self, **variables: str) -> "Settings":
        return Settings(self.flags, self.environment + tuple(variables.items()), self.descriptors)

    def with_descriptors(self, count: int) -> "Settings":
        return Settings(self.flags, self.environment, count)


BASE = Settings(flags=("--app-id", APP_ID, "--app-key", APP_KEY, "--app-secret", APP_SECRET, "--echo", "--log-format", "json"))
USUAL = BASE.with_flags("--realtime-mode", "raw", "--realtime-publish", "--realtime-secret", BROADCAST_SECRET,
                        "--realtime-origins", f"{GOOD_ORIGIN} {OTHER_ORIGIN}")
"""What most tests run on."""


@dataclass(frozen=True)
class Variant:
    """What every behaviour is tested on."""

    backend: str
    workers: int

    def __str__(self) -> str:
        return f"{self.backend}-{self.workers}"


VARIANTS = [Variant(b, w) for b in ("uring", "epoll") for w in (1, 4)]


class Node:
    """A running node."""

    def __init__(self, settings: Settings, variant: Variant, *, wait: bool = True, port: int | None = None,
                 before_exec: Callable[[], None] | None = None) -> None:
        settings = settings.with_flags(*EVERYWHERE)
        self.settings, self.variant = settings, variant
        self.port = port or free_port()
        self.tls = secure.EVERYWHERE or "--tls-cert" in settings.flags
        self.stderr = tempfile.TemporaryFile()
        self.stdout = tempfile.TemporaryFile()
        arguments = [str(binary()), "start", "--host", HOST, "--port", str(self.port), "--workers", str(variant.workers),
                     "--backend", variant.backend, *(secure.flags() if self.tls and "--tls-cert" not in settings.flags else ()),
                     *settings.flags]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("REVERB_", "CLARION_"))}
        environment |= dict(settings.environment)

        def prepare() -> None:
            if settings.descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (settings.descriptors, settings.descriptors))
            if before_exec is not None:
                before_exec()

        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=self.stderr, env=environment,
                                        preexec_fn=prepare)
        if wait:
            self.wait_ready()

    def __repr__(self) -> str:
        return f"<node {self.variant} on {self.port}>"

    # life

    def wait_ready(self, timeout: float = 60) -> None:
        """Waits until /up says 200."""
        deadline = time.monotonic() + timeout
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"the node ended with {self.process.returncode} at its start:\n{self.output()}")
            try:
                if self.request("GET", "/up").status == 200:
                    assert "there is no such setting" not in self.output(), self.output()
                    return
            except (OSError, EOFError):
                pass
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"/up does not answer after {timeout} s:\n{self.output()}")
            time.sleep(0.02)

    def check_alive(self) -> None:
        """Fails when the process is gone, or does not answer."""
        assert self.process.poll() is None, f"{self} ended with {self.process.returncode}:\n{self.output()[-4000:]}"
        assert self.request("GET", "/up").status == 200

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30) -> int:
        """Sends a signal, waits, and returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self} did not end within {timeout} s of signal {number}:\n{self.output()[-4000:]}") from None

    def stop_clean(self) -> None:
        """Stops the node and checks that it left in order."""
        status = self.stop()
        text = self.output()
        assert status == 0, f"{self} ended with {status}:\n{text[-4000:]}"
        raw = text.encode()
        for word in SANITIZER_WORDS:
            assert word not in raw, f"{self} reported:\n{text[-6000:]}"

    def kill(self) -> None:
        """Ends the process, whatever its state."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def output(self) -> str:
        """What the node wrote so far, both streams."""
        parts = []
        for stream in (self.stdout, self.stderr):
            size = os.fstat(stream.fileno()).st_size
            parts.append(os.pread(stream.fileno(), size, 0))
        return b"".join(parts).decode("utf-8", "replace")

    def log_lines(self) -> list[dict[str, Any]]:
        """Log lines in JSON."""
        lines = []
        for line in self.output().splitlines():
            if line.startswith("{"):
                lines.append(json.loads(line))
        return lines

    # what it uses

    def resident_bytes(self) -> int:
        """Resident memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def descriptor_count(self) -> int:
        """Open descriptors of the process."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self) -> float:
        """CPU time so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # talking to it

    def raw(self, **options: Any) -> RawSocket:
        """A TCP connection."""
        return RawSocket(self.port, **{"tls": self.tls, **options})

    def send(self, data: bytes, **options: Any) -> RawSocket:
        """A TCP connection on which bytes were sent."""
        connection = self.raw(**options)
        connection.send_if_open(data)
        return connection

    def echo(self, **options: Any) -> WebSocket:
        """A WebSocket on /echo."""
        return WebSocket(self.port, "/echo", **{"tls": self.tls, **options})

    def realtime(self, *channels: str, origin: str | None = GOOD_ORIGIN, **options: Any) -> WebSocket:
        """A WebSocket on /ws, subscribed to channels. In raw mode nothing confirms that; see `heard`."""
        client = WebSocket(self.port, "/ws", origin=origin, **{"tls": self.tls, **options})
        for channel in channels:
            client.json({"action": "subscribe", "channel": channel})
        return client

    def upgrade(self, path: str, **options: Any) -> tuple[WebSocket, Response]:
        """Tries an upgrade and returns the answer, whatever it is."""
        client = WebSocket(self.port, path, upgrade=False, tls=self.tls)
        request, _ = upgrade_request(path, self.port, **options)
        client.send(request)
        return client, client.read_response()

    def request(self, method: str, target: str, body: bytes = b"", fields: dict[str, str] | None = None) -> Response:
        """One HTTP request on a connection of its own."""
        with self.raw() as connection:
            head = {"Host": f"{HOST}:{self.port}", "Connection": "close", **(fields or {})}
            if body or method == "POST":
                head.setdefault("Content-Length", str(len(body)))
            text = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n"
            connection.send_if_open(text.encode("latin-1") + body)
            return connection.read_response(head_request=method == "HEAD")

    def broadcast(self, channel: str, message: str, secret: str | None = BROADCAST_SECRET) -> Response:
        """POST /internal/broadcast."""
        from urllib.parse import urlencode
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        if secret is not None:
            fields["X-Broadcast-Secret"] = secret
        return self.request("POST", "/internal/broadcast", urlencode({"channel": channel, "message": message}).encode(), fields)

    def heard(self, client: WebSocket, *channels: str, timeout: float = PATIENCE) -> None:
        """Waits until a client of /ws in raw mode hears each of its channels: it publishes probes until one arrives. Nothing else
        may be on its way to the client."""
        client.sees_probes = True
        for channel in channels:
            deadline, heard = time.monotonic() + timeout, False
            while not heard:
                probe = PROBE + os.urandom(8).hex().encode()
                assert self.broadcast(channel, probe.decode()).status == 202
                try:
                    while not heard:
                        heard = client.read_message(0.25) == probe
                except AssertionError:
                    assert client.closed is None and not client.ended, f"{client.path} is closed"
                    assert time.monotonic() < deadline, f"{channel} is not heard"
        client.sees_probes = False

    def metrics(self) -> Metrics:
        """A reading of /metrics."""
        response = self.request("GET", "/metrics")
        assert response.status == 200, response
        return Metrics(response.body.decode())


@dataclass
class Pool:
    """Nodes that tests share, by settings and variant."""

    nodes: dict[tuple[Settings, Variant, tuple[str, ...]], Node] = field(default_factory=dict)

    def get(self, settings: Settings, variant: Variant) -> Node:
        """A running node with these settings; a dead one is replaced, since its death was reported by the test that saw it."""
        node = self.nodes.get((settings, variant, EVERYWHERE))
        if node is None or node.process.poll() is not None:
            node = self.nodes[settings, variant, EVERYWHERE] = Node(settings, variant)
        return node

    def close(self) -> list[str]:
        """Stops all nodes; returns what was wrong."""
        problems = []
        for node in self.nodes.values():
            try:
                node.stop_clean()
            except AssertionError as error:
                problems.append(str(error))
        self.nodes.clear()
        return problems
