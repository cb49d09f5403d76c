"""A real browser, without a window: a page of its own echoes texts over a WebSocket and says what came of it."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import time

import pytest

PAGE = """<!doctype html><script>
const say = (text) => fetch('/said', {method: 'POST', body: text});
const texts = ['text', '', %(json)s, 'Zo\\u00eb\\u2603'.repeat(5000), %(json)s, 'x'.repeat(200000), %(json)s];
const socket = new WebSocket(%(url)s);
let next = 0;
socket.onopen = () => { for (const text of texts) socket.send(text); };
socket.onerror = () => say('error');
socket.onmessage = (event) => {
  if (event.data !== texts[next]) return say('message ' + next + ' came back as ' + event.data.length + ' characters');
  if (++next === texts.length) socket.close(1000);
};
socket.onclose = (event) => say(event.code + ' after ' + next + ' with ' + socket.extensions);
</script>"""


def echoes(url: str, text: str, *flags: str) -> str:
    """Sends seven texts, among them `text`, and closes: `1000 after 7 with EXTENSIONS` when each came back as it was."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium (Tools/setup --dev installs it)")
    page = (PAGE % {"json": json.dumps(text), "url": json.dumps(url)}).encode()
    said: list[str] = []
    heard = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.answer(page if self.path == "/" else b"")

        def do_POST(self) -> None:
            said.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer(b"")
            heard.set()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}",
             *flags, f"http://127.0.0.1:{server.server_port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert heard.wait(90), "the page said nothing"
        finally:
            process.terminate()
            process.wait(30)
            server.shutdown()
            time.sleep(0.2)  # helpers of the browser let go of its profile
    return said[0]
