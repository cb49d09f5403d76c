"""Sockets of a client that does whatever a test says: cut writes, stop reading, reset, lie."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import time
import weakref
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable

from . import frames, secure
from .frames import Frame

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds within which an answer must come. Generous: it only ends a test that has failed anyway."""

PROBE = b"~probe "
"""Begins messages that only find out whether a subscription is in force (`Node.heard`)."""


@dataclass
class Response:
    """An HTTP answer. Field names are in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes = b""
    lines: list[str] = field(default_factory=list)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RawSocket:
    """A TCP connection to a node."""

    open_sockets: "weakref.WeakSet[RawSocket]" = weakref.WeakSet()
    """All that may still be open, so that none outlives its test."""

    def __init__(self, port: int, *, receive_buffer: int | None = None, segment: int | None = None, source: str | None = None,
                 timeout: float = PATIENCE, host: str = HOST, tls: bool | ssl.SSLContext = secure.EVERYWHERE,
                 name: str | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.open_sockets.add(self)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment is not None:  # small segments also keep the sender's kernel from buffering megabytes
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout)
        self.socket.connect((host, port))
        if tls:
            self.socket = secure.wrap(self.socket, name, None if tls is True else tls)
        self.buffer = bytearray()
        self.ended = False

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Writes everything, in as few segments as the kernel likes."""
        self.socket.sendall(data)

    def send_cut(self, data: bytes, cuts: Iterable[int], pause: float = 0.002) -> None:
        """Writes the data in pieces that end at the given positions, with a pause after each so that they arrive apart."""
        start = 0
        for end in [*sorted(cuts), len(data)]:
            if end > start:
                self.socket.sendall(data[start:end])
                time.sleep(pause)
                start = end

    def send_bytewise(self, data: bytes, pause: float = 0.0005) -> None:
        """Writes one byte at a time."""
        self.send_cut(data, range(1, len(data)), pause)

    def send_if_open(self, data: bytes) -> bool:
        """Writes what the peer may already refuse; False when it did."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            return False

    def send_until_blocked(self, chunk: bytes, bytes_max: int, patience: float = 0.5) -> int:
        """Writes chunks until the peer takes no more for `patience` seconds, or `bytes_max` were taken. Returns the bytes taken."""
        before, taken, offset = self.socket.gettimeout(), 0, 0
        self.socket.settimeout(patience)
        try:
            while taken < bytes_max:
                count = self.socket.send(chunk[offset:])
                taken, offset = taken + count, (offset + count) % len(chunk)
        except (TimeoutError, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass
        self.socket.settimeout(before)
        return taken

    def fill(self, timeout: float | None = None) -> bool:
        """Reads what is there into the buffer. False at the end of the stream; a reset counts as the end."""
        self.socket.settimeout(PATIENCE if timeout is None else max(timeout, 0.001))
        try:
            data = self.socket.recv(1 << 16)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def read_exactly(self, count: int) -> bytes:
        """Reads that many bytes."""
        while len(self.buffer) < count:
            if not self.fill():
                raise EOFError(f"the connection ended after {len(self.buffer)} of {count} bytes: {bytes(self.buffer[:200])!r}")
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_response(self, *, head_request: bool = False) -> Response:
        """Reads one HTTP answer."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(f"the connection ended without a whole answer: {bytes(self.buffer[:200])!r}")
        end = self.buffer.index(b"\r\n\r\n") + 4
        lines = self.read_exactly(end).decode("latin-1").split("\r\n")[:-2]
        assert lines[0].startswith("HTTP/1.1 "), lines[0]
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        status = int(lines[0].split(" ")[1])
        body = b""
        if not head_request and status >= 200 and status not in (204, 304):
            body = self.read_exactly(int(fields.get("content-length", "0")))
        return Response(status, fields, body, lines)

    def read_rest(self, timeout: float = PATIENCE) -> bytes:
        """Everything up to the end of the stream. Fails when the peer does not end it in time."""
        deadline = time.monotonic() + timeout
        try:
            while self.fill(deadline - time.monotonic()):
                pass
        except TimeoutError:
            raise AssertionError(f"still open after {timeout} s, so far: {bytes(self.buffer[:200])!r}") from None
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def expect_end(self, timeout: float = PATIENCE) -> None:
        """The peer ends the stream and sends nothing before."""
        rest = self.read_rest(timeout)
        assert rest == b"", f"unexpected bytes before the end: {rest[:200]!r}"

    def expect_silence(self, seconds: float) -> None:
        """Nothing comes, and the connection stays open."""
        assert not self.buffer, f"unexpected: {bytes(self.buffer[:200])!r}"
        try:
            assert self.fill(seconds), "the connection ended"
        except TimeoutError:
            return
        raise AssertionError(f"unexpected: {bytes(self.buffer[:200])!r}")

    def finish(self) -> None:
        """Ends our direction."""
        try:
            socket.socket.shutdown(self.socket, socket.SHUT_WR)  # the one of TLS sockets forgets the session
        except OSError:
            pass

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()


def close_all() -> None:
    """Closes every socket that a test left open."""
    for connection in list(RawSocket.open_sockets):
        connection.close()
    RawSocket.open_sockets.clear()


def upgrade_request(path: str, port: int, *, origin: str | None = None, key: str | None = None,
                    replace: dict[str, str | None] | None = None, more: str = "", line: str | None = None) -> tuple[bytes, str]:
    """A handshake and its key. `replace` changes fields or (None) leaves them out; `more` are further lines with their CR LF."""
    key = base64.b64encode(os.urandom(16)).decode() if key is None else key
    fields: dict[str, str | None] = {"Host": f"{HOST}:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
                                     "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13", "Origin": origin}
    fields |= replace or {}
    text = (line or f"GET {path} HTTP/1.1") + "\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None) + more + "\r\n"
    return text.encode("latin-1"), key


def accept_key(key: str) -> str:
    """The answer to a handshake key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


class WebSocket(RawSocket):
    """A TCP connection on which a WebSocket was opened, without a library."""

    def __init__(self, port: int, path: str, *, origin: str | None = None, upgrade: bool = True, behind: bytes = b"",
                 **socket_options: Any) -> None:
        super().__init__(port, **socket_options)
        self.path = path
        self.closed: Frame | None = None
        self.sees_probes = False
        self.allows_rsv1 = False
        if upgrade:
            request, key = upgrade_request(path, port, origin=origin)
            self.send(request + behind)
            self.expect_upgrade(key)

    def expect_upgrade(self, key: str) -> Response:
        """Reads the 101 answer and checks it."""
        response = self.read_response()
        assert response.status == 101, f"{self.path}: {response}"
        assert response.fields.get("upgrade", "").lower() == "websocket", response
        assert "upgrade" in response.fields.get("connection", "").lower(), response
        assert response.fields.get("sec-websocket-accept") == accept_key(key), response
        return response

    # sending

    def text(self, payload: str | bytes) -> None:
        """Sends a text message."""
        self.send(frames.frame(frames.TEXT, payload))

    def json(self, value: Any) -> None:
        """Sends a JSON text message."""
        self.text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def ping(self, payload: bytes = b"") -> None:
        """Sends a ping."""
        self.send(frames.frame(frames.PING, payload))

    # receiving

    def read_frame(self, timeout: float = PATIENCE) -> Frame | None:
        """The next frame; None at the end of the stream. A time-out is a failure of the test. Probes are left out."""
        deadline = time.monotonic() + timeout
        while (got := self._next_frame(deadline - time.monotonic(), timeout)) is not None:
            if self.sees_probes or not got.payload.startswith(PROBE):
                break
        return got

    def _next_frame(self, left: float, timeout: float) -> Frame | None:
        deadline = time.monotonic() + left
        while (parsed := frames.parse(self.buffer)) is None:
            try:
                if not self.fill(deadline - time.monotonic()):
                    assert not self.buffer, f"the connection ended within a frame: {bytes(self.buffer[:100])!r}"
                    return None
            except TimeoutError:
                raise AssertionError(f"{self.path}: no frame within {timeout} s; buffer {bytes(self.buffer[:100])!r}") from None
        result, size = parsed
        del self.buffer[:size]
        allowed = (0, 4) if self.allows_rsv1 and result.opcode in (frames.TEXT, frames.BINARY) else (0,)
        assert result.rsv in allowed, f"reserved bits {result.rsv} without an extension"
        return result

    def read_message(self, timeout: float = PATIENCE, *, answer_pings: bool = True) -> bytes:
        """The payload of the next text or binary message; fragments are joined, pings answered. A close is a failure."""
        parts, deadline = [], time.monotonic() + timeout
        while True:
            got = self.read_frame(deadline - time.monotonic())
            assert got is not None, f"{self.path}: the connection ended where a message was wanted"
            assert got.opcode != frames.CLOSE, f"{self.path}: closed with {got.code} {got.payload[2:]!r} where a message was wanted"
            if got.opcode == frames.PING and answer_pings:
                self.send(frames.frame(frames.PONG, got.payload))
            if got.opcode < 8:
                parts.append(got.payload)
                if got.fin:
                    return b"".join(parts)

    def read_json(self, timeout: float = PATIENCE) -> Any:
        """The next message as JSON."""
        return json.loads(self.read_message(timeout))

    def expect(self, opcode: int, payload: bytes, timeout: float = PATIENCE) -> None:
        """The next frame is this one."""
        got = self.read_frame(timeout)
        assert got is not None, "the connection ended"
        assert (got.opcode, got.payload) == (opcode, payload), f"got {got.opcode} {got.payload[:100]!r}, wanted {opcode} {payload[:100]!r}"

    def drain_to_close(self, timeout: float = PATIENCE) -> tuple[list[Frame], Frame | None]:
        """All frames up to a close frame or the end. Nothing may come behind a close frame."""
        before, deadline = [], time.monotonic() + timeout
        while (got := self.read_frame(deadline - time.monotonic())) is not None:
            if got.opcode == frames.CLOSE:
                self.closed = got
                return before, got
            before.append(got)
        return before, None

    def expect_close(self, *codes: int | None, timeout: float = PATIENCE, answer: bool = True, end: bool = True) -> Frame:
        """The next frame is a close frame with one of these codes, and then the node ends TCP."""
        before, got = self.drain_to_close(timeout)
        assert got is not None, f"{self.path}: TCP ended without a close frame, wanted {codes}; before: {before[:3]}"
        assert not before, f"{self.path}: frames before the close: {before[:3]}"
        assert len(got.payload) != 1, "a close frame with one byte"
        assert got.code in codes, f"{self.path}: closed with {got.code} {got.payload[2:]!r}, wanted {codes}"
        got.payload[2:].decode("utf-8")
        if end:
            if answer:
                self.send_if_open(frames.close(got.code))
            self.expect_end(timeout)
        return got

    def say_goodbye(self, code: int = 1000) -> None:
        """Closes in order and waits for the end; data on the way is dropped."""
        self.send_if_open(frames.close(code))
        _, got = self.drain_to_close()
        assert got is not None and got.code == code, f"{self.path}: the close was answered with {got}"
        self.expect_end()
        self.close()

    def is_alive(self, payload: bytes = b"alive?") -> bool:
        """Whether a ping is answered. What comes before the pong is dropped."""
        self.ping(payload)
        while (got := self.read_frame()) is not None:
            if got.opcode == frames.PONG and got.payload == payload:
                return True
            if got.opcode == frames.CLOSE:
                return False
        return False


def wait_until(condition: Callable[[], Any], what: str, timeout: float = PATIENCE, pause: float = 0.05) -> Any:
    """Waits until the condition gives something true, and returns it."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}; last value {value!r}")
        time.sleep(pause)
