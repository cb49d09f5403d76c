"""WebSocket frames as bytes (RFC 6455 section 5.2), right ones and wrong ones."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


@dataclass
class Frame:
    """One frame of the server."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int | None:
        """The code of a close frame; None when it has none."""
        return struct.unpack(">H", self.payload[:2])[0] if len(self.payload) >= 2 else None


def masked(payload: bytes, key: bytes) -> bytes:
    """The payload under a mask."""
    if not payload:
        return b""
    count = len(payload)
    cover = (key * (count // 4 + 1))[:count]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(cover, "big")).to_bytes(count, "big")


def frame(opcode: int, payload: bytes | str = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = MASK,
          declared: int | None = None, form: int | None = None) -> bytes:
    """A frame of a client.

    `rsv` holds RSV1..3 as the bits 4, 2, 1. `declared` is written as the length instead of the true one. `form` forces
    the length into 7, 16 or 64 bits. `mask` None leaves the mask out.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    length = len(data) if declared is None else declared
    if form is None:
        form = 7 if length < 126 else 16 if length < 1 << 16 else 64
    bit = 0 if mask is None else 0x80
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if form == 7:
        head += bytes([bit | length])
    elif form == 16:
        head += bytes([bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", length)
    return head + (data if mask is None else mask + masked(data, mask))


def close(code: int | None = None, reason: bytes | str = b"") -> bytes:
    """A close frame of a client."""
    text = reason.encode() if isinstance(reason, str) else reason
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + text)


def parse(buffer: bytes | bytearray) -> tuple[Frame, int] | None:
    """The first frame of a server in the buffer and its size; None when it is not whole yet."""
    if len(buffer) < 2:
        return None
    length, start = buffer[1] & 0x7F, 2
    assert not buffer[1] & 0x80, "a server must not mask its frames"
    if length == 126:
        if len(buffer) < 4:
            return None
        length, start = struct.unpack(">H", buffer[2:4])[0], 4
        assert length >= 126, "the length is not in its shortest form"
    elif length == 127:
        if len(buffer) < 10:
            return None
        length, start = struct.unpack(">Q", buffer[2:10])[0], 10
        assert 1 << 16 <= length < 1 << 63, "the length is not in its shortest form"
    if len(buffer) < start + length:
        return None
    opcode = buffer[0] & 0x0F
    assert opcode < 8 or length <= 125 and buffer[0] & 0x80, "a control frame that is too long or in pieces"
    return Frame(opcode, bytes(buffer[start:start + length]), bool(buffer[0] & 0x80), buffer[0] >> 4 & 7), start + length
