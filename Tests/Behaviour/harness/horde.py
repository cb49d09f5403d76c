"""Ten thousand connections, in a process of its own: a process has too few descriptors for both ends, and it can be killed.

    horde.py PORT COUNT silent      connects and says nothing
    horde.py PORT COUNT realtime    opens /ws and subscribes to "all" and to one of a hundred rooms

Prints `ready` when all are there, then `ended N` when the other side has ended all of them.
"""

from __future__ import annotations

import base64
import os
import selectors
import socket
import subprocess
import sys
from pathlib import Path

from .client import HOST, PATIENCE
from .frames import TEXT, frame
from .node import GOOD_ORIGIN, Node

AT_ONCE_MAX = 500
"""Connections on their way: fewer than a listener's backlog."""


class Horde:
    """A running horde."""

    def __init__(self, node: Node, count: int, kind: str) -> None:
        folder = Path(__file__).resolve().parents[1]
        self.process = subprocess.Popen([sys.executable, "-m", "harness.horde", str(node.port), str(count), kind], cwd=folder,
                                        stdout=subprocess.PIPE, text=True)
        self.expect("ready")

    def expect(self, word: str) -> None:
        """Waits for a line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line == word, f"the horde says {line!r}, not {word!r}"

    def kill(self) -> None:
        """All of them vanish at once."""
        self.process.kill()
        self.process.wait()


def connect(port: int, number: int) -> socket.socket:
    """Begins a connection, from one of many addresses: one has 28 000 ports, and those of earlier tests may rest."""
    one = socket.socket()
    one.setblocking(False)
    one.bind((f"127.0.0.{2 + number % 100}", 0))
    one.connect_ex((HOST, port))
    return one


def greeting(number: int, kind: str) -> bytes:
    """What a connection sends first."""
    if kind == "silent":
        return b""
    key = base64.b64encode(os.urandom(16)).decode()
    head = (f"GET /ws HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\nOrigin: {GOOD_ORIGIN}\r\n\r\n").encode()
    rooms = ("all", f"room{number % 100}")
    return head + b"".join(frame(TEXT, f'{{"action":"subscribe","channel":"{room}"}}') for room in rooms)


def main(port: int, count: int, kind: str) -> None:
    selector = selectors.DefaultSelector()
    begun = ready = ended = 0
    while ready < count:
        while begun < count and begun - ready < AT_ONCE_MAX:
            selector.register(connect(port, begun), selectors.EVENT_WRITE, begun)
            begun += 1
        events = selector.select(PATIENCE)
        if not events:
            raise TimeoutError(f"{ready} of {count} are there")
        for key, _ in events:
            one = key.fileobj
            if key.events == selectors.EVENT_WRITE:
                error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, os.strerror(error))
                if kind != "silent":
                    one.send(greeting(key.data, kind))
                selector.modify(one, selectors.EVENT_READ, key.data)
                ready += kind == "silent"
            else:
                data = one.recv(4096)
                if kind != "realtime" or not data.startswith(b"HTTP/1.1 101 "):
                    raise EOFError(f"connection {key.data} got {data[:100]!r}")
                ready += 1
    print("ready", flush=True)
    while ended < count:
        for key, _ in selector.select():
            try:
                data = key.fileobj.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                selector.unregister(key.fileobj)
                key.fileobj.close()
                ended += 1
    print(f"ended {ended}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
