"""permessage-deflate (RFC 7692) for the raw client: zlib, and nothing of a library."""

from __future__ import annotations

import zlib
from typing import Any

from . import frames
from .client import WebSocket, upgrade_request
from .frames import Frame

TAIL = b"\x00\x00\xff\xff"


def raw_deflate(data: bytes, *, level: int = 6, bits: int = 15) -> bytes:
    """A message that stands alone, without its tail."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -bits)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


class DeflateSocket(WebSocket):
    """A WebSocket that offers compression, and hands on what came as it was before. `deflated` counts what came compressed."""

    def __init__(self, port: int, path: str, offer: str = "permessage-deflate; client_max_window_bits", *, origin: str | None = None,
                 **socket_options: Any) -> None:
        super().__init__(port, path, upgrade=False, **socket_options)
        request, key = upgrade_request(path, port, origin=origin, more=f"Sec-WebSocket-Extensions: {offer}\r\n")
        self.send(request)
        self.answer = self.expect_upgrade(key).fields.get("sec-websocket-extensions", "")
        words = [word.strip() for word in self.answer.split(";")]
        self.agreed = words[0] == "permessage-deflate"
        self.server_alone, self.client_alone = "server_no_context_takeover" in words, "client_no_context_takeover" in words
        self.server_bits, self.client_bits = self.bits(words, "server"), self.bits(words, "client")
        self.inflater = zlib.decompressobj(-self.server_bits)
        self.deflater = zlib.compressobj(6, zlib.DEFLATED, -max(self.client_bits, 9))
        self.deflated = 0
        self.wire_bytes = 0

    @staticmethod
    def bits(words: list[str], side: str) -> int:
        name = f"{side}_max_window_bits="
        return next((int(word[len(name):]) for word in words if word.startswith(name)), 15)

    def compressed(self, data: bytes) -> bytes:
        """The payload of a message, as this client would compress it."""
        if self.client_alone:
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -max(self.client_bits, 9))
        return (self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def deflated_text(self, text: str | bytes, *, cuts: tuple[int, ...] = ()) -> None:
        """Sends a text compressed, in fragments that end at the given positions."""
        data = self.compressed(text.encode() if isinstance(text, str) else text)
        start, opcode, rsv = 0, frames.TEXT, 4
        for end in [*(cut for cut in cuts if cut < len(data)), len(data)]:
            self.send(frames.frame(opcode, data[start:end], rsv=rsv, fin=end == len(data)))
            start, opcode, rsv = end, frames.CONTINUATION, 0

    def _next_frame(self, left: float, timeout: float) -> Frame | None:
        self.allows_rsv1 = self.agreed
        got = super()._next_frame(left, timeout)
        if got is None or got.opcode >= 8:
            return got
        self.wire_bytes += len(got.payload)
        if got.rsv == 4:
            self.deflated += 1
            if self.server_alone:
                self.inflater = zlib.decompressobj(-self.server_bits)
            got = Frame(got.opcode, self.inflater.decompress(got.payload + TAIL), got.fin, 0)
        return got
