"""A receiver of webhooks, with every kind of behaviour."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from .client import HOST, PATIENCE, wait_until


@dataclass
class Hook:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def events(self) -> list[dict[str, Any]]:
        return json.loads(self.body)["events"]

    def is_signed(self, key: str, secret: str) -> bool:
        """Whether key and signature are those of the application."""
        expected = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return self.headers.get("X-Pusher-Key") == key and hmac.compare_digest(self.headers.get("X-Pusher-Signature", ""), expected)


class Receiver:
    """An HTTP server on a free port. What it does follows from the path:

    /ok confirms, /500 fails, /slow does not answer, /redirect sends elsewhere (to /elsewhere), /huge answers without end, /flaky
    fails until `mend` is called.
    """

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.mended = threading.Event()
        self.closing = threading.Event()
        self.sent_bytes = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.hooks.append(Hook(self.path, dict(self.headers.items()), body))
                outer.answer(self)

            def do_GET(self) -> None:
                outer.hooks.append(Hook(self.path, dict(self.headers.items()), b""))
                outer.plain(self, 200)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self.server = Server((HOST, 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://{HOST}:{self.port}{path}"

    def plain(self, handler: http.server.BaseHTTPRequestHandler, status: int, fields: dict[str, str] | None = None) -> None:
        """An answer without a body."""
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        for name, value in (fields or {}).items():
            handler.send_header(name, value)
        handler.end_headers()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        path = handler.path.split("?")[0]
        if path == "/500" or path == "/flaky" and not self.mended.is_set():
            return self.plain(handler, 500)
        if path == "/slow":
            self.closing.wait(30)
            return
        if path == "/redirect":
            return self.plain(handler, 307, {"Location": self.url("/elsewhere")})
        if path == "/huge":
            handler.send_response(200)
            handler.send_header("Content-Length", str(1 << 30))
            handler.end_headers()
            chunk = b"x" * 65536
            try:
                while self.sent_bytes < 1 << 30 and not self.closing.is_set():
                    handler.wfile.write(chunk)
                    self.sent_bytes += len(chunk)
            except OSError:
                pass
            handler.close_connection = True
            return
        self.plain(handler, 200)

    def at(self, path: str) -> list[Hook]:
        """What came for a path."""
        return [hook for hook in self.hooks if hook.path.split("?")[0] == path]

    def events(self, path: str = "/ok") -> list[dict[str, Any]]:
        """All events that came for a path, in their order."""
        return [event for hook in self.at(path) for event in hook.events]

    def wait_for(self, count: int, path: str = "/ok", timeout: float = PATIENCE) -> list[dict[str, Any]]:
        """Waits for so many events."""
        wait_until(lambda: len(self.events(path)) >= count, f"{count} events at {path}, not {self.events(path)}", timeout)
        return self.events(path)

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
