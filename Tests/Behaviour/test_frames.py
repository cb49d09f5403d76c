"""Frames, right and wrong, over /echo (hardening section 2)."""

from __future__ import annotations

import json
import random
import struct
import time

import pytest

from conftest import is_sanitized
from harness import frames
from harness.client import WebSocket, close_all, wait_until
from harness.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from harness.node import GOOD_ORIGIN, Node
from harness.pusher import PusherClient
from test_http import QUICK

MIB = 1 << 20
FRAGMENTS_MAX = 64
"""Of one message, at least; a path with larger messages allows one for each 64 bytes of its bound (156 on /app)."""


def ceiling(bytes_max: int) -> int:
    """A bound on memory; sanitizers keep freed memory for a while."""
    return bytes_max * (8 if is_sanitized() else 1)


# right ones

@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 300_000, 3 * MIB])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_echo(node: Node, opcode: int, size: int) -> None:
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size] if opcode == TEXT else random.Random(size).randbytes(size)
    with node.echo() as client:
        client.send(frame(opcode, payload))
        client.expect(opcode, payload)
        client.say_goodbye()


def test_largest_message(node: Node) -> None:
    """16 MiB are echoed; a byte more is refused from the frame's head."""
    with node.echo() as client:
        payload = b"\x5a" * (16 * MIB)
        client.send(frame(BINARY, payload))
        got = client.read_message(60)
        assert got == payload
    with node.echo() as client:
        client.send(frame(BINARY, b"", declared=16 * MIB + 1))
        client.expect_close(1009)


def test_cut_at_every_byte(node: Node) -> None:
    """A message, a ping in the middle, a fragmented message: the same however it is cut."""
    stream = frame(TEXT, "Zo\u00eb \u2603") + frame(TEXT, "a" * 130, fin=False) + frame(PING, b"p") + frame(CONTINUATION, "\u2603") \
        + frame(BINARY, bytes(range(200))) + frame(TEXT, "")
    wanted = [(TEXT, "Zo\u00eb \u2603".encode()), (PONG, b"p"), (TEXT, b"a" * 130 + "\u2603".encode()), (BINARY, bytes(range(200))), (TEXT, b"")]
    for cut in range(1, len(stream)):
        with node.echo() as client:
            client.send_cut(stream, [cut], pause=0.0008)
            for opcode, payload in wanted:
                client.expect(opcode, payload)
    with node.echo() as client:
        client.send_bytewise(stream)
        for opcode, payload in wanted:
            client.expect(opcode, payload)
        client.say_goodbye()


def test_random_cuts(node: Node) -> None:
    """Many messages of many sizes, cut at random from a fixed seed, under many masks."""
    chance = random.Random(20)
    with node.echo() as client:
        for _ in range(10):
            payloads = [chance.randbytes(chance.choice([0, 1, 3, 125, 126, 1000, 4000, 70_000])) for _ in range(8)]
            stream = b"".join(frame(BINARY, p, mask=chance.randbytes(4)) for p in payloads)
            client.send_cut(stream, [chance.randrange(len(stream)) for _ in range(12)], pause=0.0005)
            for payload in payloads:
                client.expect(BINARY, payload)


def test_zero_mask(node: Node) -> None:
    with node.echo() as client:
        client.send(frame(TEXT, "plain to see", mask=b"\0\0\0\0"))
        client.expect(TEXT, b"plain to see")


def test_fragments_up_to_the_bound(node: Node) -> None:
    with node.echo() as client:
        pieces = [frame(TEXT if n == 0 else CONTINUATION, f"{n};", fin=n == FRAGMENTS_MAX - 1) for n in range(FRAGMENTS_MAX)]
        client.send(b"".join(pieces))
        client.expect(TEXT, "".join(f"{n};" for n in range(FRAGMENTS_MAX)).encode())


# wrong ones

def refused(node: Node, data: bytes, *codes: int, reason: str | None = None) -> None:
    """The bytes close the connection with one of the codes, whether they come in one piece or byte by byte."""
    before = node.metrics().closes(reason) if reason else 0
    for bytewise in (False, True):
        with node.echo() as client:
            client.text("before")
            client.expect(TEXT, b"before")
            if bytewise:
                for byte in data[:64]:
                    if not client.send_if_open(bytes([byte])):
                        break
                    time.sleep(0.0003)
                client.send_if_open(data[64:])
            else:
                client.send(data)
            client.expect_close(*codes)
    if reason:
        wait_until(lambda: node.metrics().closes(reason) == before + 2, "both are counted")


def test_unmasked(node: Node) -> None:
    """2.1"""
    refused(node, frame(TEXT, "x", mask=None), 1002, reason="protocolError")
    refused(node, frame(PING, "", mask=None), 1002)
    refused(node, frame(CLOSE, b"\x03\xe8", mask=None), 1002)


@pytest.mark.parametrize("length", [1 << 63, (1 << 63) - 1, (1 << 64) - 1, 1 << 62, (1 << 63) | 5, (1 << 40), (1 << 32), (1 << 31), (1 << 64) - 14])
def test_huge_lengths(node: Node, length: int) -> None:
    """2.2: refused from the head alone; nothing is reserved."""
    before = node.resident_bytes()
    refused(node, frame(BINARY, b"", declared=length, form=64), 1002, 1009)
    refused(node, frame(TEXT, "abc", fin=False) + frame(CONTINUATION, b"", declared=length, form=64), 1002, 1009)
    assert node.resident_bytes() - before < ceiling(3 * MIB)  # receive buffers may be touched for the first time


@pytest.mark.parametrize(("length", "form"), [(0, 16), (100, 16), (125, 16), (0, 64), (1000, 64), (65535, 64)])
def test_lengths_not_in_shortest_form(node: Node, length: int, form: int) -> None:
    """2.3"""
    refused(node, frame(TEXT, "x" * length, form=form), 1002)


@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("rsv", range(1, 8))
def test_reserved_bits(node: Node, opcode: int, rsv: int) -> None:
    """2.4: no extension was agreed upon, so none may be set."""
    start = frame(TEXT, "x", fin=False) if opcode == CONTINUATION else b""
    refused(node, start + frame(opcode, b"", rsv=rsv), 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_unknown_opcodes(node: Node, opcode: int) -> None:
    """2.5: also with a length of 1 TiB."""
    before = node.resident_bytes()
    refused(node, frame(opcode, "x"), 1002)
    refused(node, frame(opcode, b"", declared=1 << 40), 1002)
    assert node.resident_bytes() - before < ceiling(3 * MIB)  # receive buffers may be touched for the first time


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_bad_control_frames(node: Node, opcode: int) -> None:
    """2.6: too long, or in fragments."""
    refused(node, frame(opcode, b"\x03\xe8" + b"x" * 124), 1002)
    refused(node, frame(opcode, b"", fin=False), 1002)


def test_fragments_out_of_order(node: Node) -> None:
    """2.7"""
    refused(node, frame(CONTINUATION, "x"), 1002)
    refused(node, frame(CONTINUATION, "x", fin=False), 1002)
    refused(node, frame(TEXT, "x", fin=False) + frame(TEXT, "y"), 1002)
    refused(node, frame(TEXT, "x", fin=False) + frame(BINARY, "y", fin=False), 1002)


def test_continuation_behind_a_whole_message(node: Node) -> None:
    """2.7: the message is answered, then the stray continuation is refused."""
    with node.echo() as client:
        client.send(frame(TEXT, "x", fin=False) + frame(CONTINUATION, "y") + frame(CONTINUATION, "z"))
        client.expect(TEXT, b"xy")
        client.expect_close(1002)


@pytest.mark.parametrize("kind", ["empty", "one_byte", "with_pings"])
def test_endless_fragments(node: Node, kind: str) -> None:
    """2.8: 1009 when there are too many, with little memory; the node reads no further."""
    before, count = node.resident_bytes(), node.metrics().closes("tooManyFragments")
    piece = frame(CONTINUATION, "" if kind == "empty" else "x", fin=False) + (frame(PONG) if kind == "with_pings" else b"")
    with PusherClient(node) as client:
        client.send(frame(TEXT, "x", fin=False))
        taken = client.send_until_blocked(piece * 1000, 1_000_000 * len(piece), patience=1)
        got = client.drain_to_close()[1]
        assert got is not None and got.code in ((1009, 1008) if kind == "with_pings" else (1009,)), got
        assert taken >= FRAGMENTS_MAX
    # A worker's receive buffers, touched for the first time, are 2 MiB of it.
    assert node.resident_bytes() - before < ceiling(4 * MIB)
    if kind != "with_pings":
        wait_until(lambda: node.metrics().closes("tooManyFragments") == count + 1, "it is counted")


def test_sum_of_fragments(node: Node) -> None:
    """2.9: each is small, the sum is over the bound of the path (10 000 bytes on /app): 1009 at the frame that passes it."""
    count = node.metrics().closes("messageTooBig")
    with PusherClient(node) as client:
        client.send(frame(TEXT, "x" * 1000, fin=False) + frame(CONTINUATION, "x" * 1000, fin=False) * 8)
        client.expect_silence(0.05)
        client.send(frame(CONTINUATION, "x" * 1000, fin=False))
        client.expect_silence(0.05)
        client.send(frame(CONTINUATION, "x"))
        client.expect_close(1009)
    wait_until(lambda: node.metrics().closes("messageTooBig") == count + 1, "it is counted")


def test_message_size(node: Node) -> None:
    """10 000 bytes are a message, 10 001 are refused from the head."""
    with PusherClient(node) as client:
        client.text("{" + " " * 9999)
        client.read_error(4200)
        client.send(frame(TEXT, b"", declared=10_001))
        client.expect_close(1009)


@pytest.mark.settings(QUICK)
def test_dripped_message(every_node: list[Node]) -> None:
    """2.10: a message has a deadline from its first byte (1 s here): 1008. Silence between messages has none."""
    clients = [(n, n.echo()) for n in every_node]
    quiet = [n.echo() for n in every_node]
    fragmented = [(n, n.echo()) for n in every_node]
    begun = time.monotonic()
    whole = frame(TEXT, "x" * 120)
    for _, client in clients:
        client.send(whole[:8])
    for _, client in fragmented:
        client.send(frame(TEXT, "x", fin=False))
    for index in range(8, 100):
        alive = [client.send_if_open(whole[index:index + 1]) for _, client in clients]
        time.sleep(0.1)
        if not any(alive) or time.monotonic() - begun > 3:
            break
    for node, client in clients + fragmented:
        got = client.drain_to_close()[1]
        assert got is not None and got.code == 1008, (node, got)
    for node, client in zip(every_node, quiet):
        client.text("silent for long")
        client.expect(TEXT, b"silent for long")
    close_all()
    for node in every_node:
        wait_until(lambda: node.metrics().closes("messageTimeout") >= 2, f"{node}: they are counted")


def test_ping(node: Node) -> None:
    """Pings are answered with what they hold, in between fragments too; a pong nobody asked for is nothing."""
    with node.echo() as client:
        for payload in (b"", b"x", b"y" * 125):
            client.ping(payload)
            client.expect(PONG, payload)
        client.send(frame(PONG, b"unasked"))
        client.text("next")
        client.expect(TEXT, b"next")


def test_ping_flood(node: Node) -> None:
    """2.11: more pings than the bucket holds: 1008. The pongs that come are answers to pings that were sent."""
    count, memory = node.metrics().closes("controlFlood"), node.resident_bytes()
    with node.echo() as client:
        pings = b"".join(frame(PING, str(n).zfill(125)) for n in range(2000))
        client.send_if_open(pings * 10)
        before, closed = client.drain_to_close()
        assert closed is not None and closed.code == 1008, closed
        assert len(before) <= 40 and all(f.opcode == PONG and int(f.payload) < 2000 for f in before)
        numbers = [int(f.payload) for f in before]
        assert numbers == sorted(numbers)
    wait_until(lambda: node.metrics().closes("controlFlood") == count + 1, "it is counted")
    # Receive buffers that were never touched before count too: 2 MiB.
    assert node.resident_bytes() - memory < ceiling(3 * MIB)


def test_pong_flood(node: Node) -> None:
    """2.11: pongs cost nothing and keep nothing; above the rate 1008."""
    memory = node.resident_bytes()
    with node.echo() as client:
        client.send_if_open(frame(PONG, "x" * 125) * 100_000)
        got = client.drain_to_close()[1]
        assert got is not None and got.code == 1008, got
    # 13 MB were sent; receive buffers may be touched for the first time.
    assert node.resident_bytes() - memory < ceiling(4 * MIB)


def test_pings_below_the_rate(node: Node) -> None:
    """Twenty at once, then three a second for a while: no reason to close. The last one of a burst is always answered."""
    with node.echo() as client:
        client.send(b"".join(frame(PING, str(n)) for n in range(15)))
        while client.read_frame().payload != b"14":  # type: ignore[union-attr]
            pass
        for n in range(6):
            client.ping(str(n).encode())
            client.expect(PONG, str(n).encode())
            time.sleep(0.33)


def test_pings_of_one_who_does_not_read(node: Node) -> None:
    """2.12: what waits for the reader stays bounded, its end too."""
    memory = node.resident_bytes()
    with node.echo(receive_buffer=4096, segment=536) as client:
        client.send_if_open(frame(PING, "x" * 125) * 100_000)
        time.sleep(0.2)
        assert node.resident_bytes() - memory < ceiling(4 * MIB)
    node.check_alive()


# 2.13, 2.14: closing

@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
def test_close_codes(node: Node, code: int) -> None:
    """A good close is answered with its code, and TCP ends."""
    with node.echo() as client:
        client.send(frames.close(code, "bye \u2603"))
        got = client.expect_close(code, answer=False)
        assert got.payload[:2] == struct.pack(">H", code) and len(got.payload) in (2, 2 + len("bye \u2603".encode()))


def test_close_without_code(node: Node) -> None:
    with node.echo() as client:
        client.send(frames.close())
        assert client.expect_close(None, 1000, answer=False) is not None


@pytest.mark.parametrize("payload", [b"\x03", *(struct.pack(">H", c) for c in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535))],
                         ids=lambda p: p.hex())
def test_bad_close_codes(node: Node, payload: bytes) -> None:
    """2.13: 1002; the answer holds nothing that was sent before."""
    with node.echo() as client:
        marker = b"MARKER-OF-AN-EARLIER-MESSAGE" * 4
        client.send(frame(TEXT, marker))
        client.expect(TEXT, marker)
        client.send(frame(CLOSE, payload))
        got = client.expect_close(1002)
        assert b"MARKER" not in got.payload
        assert got.payload[2:].isascii()


@pytest.mark.parametrize("reason", [b"\xff", b"abc\xed\xa0\x80", b"\xf4\x90\x80\x80", b"x" * 122 + b"\xc3"], ids=["byte", "surrogate", "too_high", "cut"])
def test_bad_close_reasons(node: Node, reason: bytes) -> None:
    """2.13: a reason that is not UTF-8: 1007. (1002 names the code, RFC 6455 section 8.1 asks for 1007.)"""
    with node.echo() as client:
        client.send(frames.close(1000, reason))
        client.expect_close(1007, 1002)


def test_after_close(node: Node) -> None:
    """2.14: data and a second close behind a close are ignored."""
    with node.echo() as client:
        client.send(frames.close(1000) + frame(TEXT, "late") + frame(PING, "late") + frames.close(3000))
        client.expect_close(1000, answer=False)


@pytest.mark.settings(QUICK)
def test_close_that_nobody_answers(every_node: list[Node]) -> None:
    """2.14: a peer that never answers a close is cut after the wait (1 s here), whether it reads or talks on."""
    silent = [(n, n.echo()) for n in every_node]
    talking = [(n, n.echo()) for n in every_node]
    begun = time.monotonic()
    for _, client in silent + talking:
        client.send(frame(TEXT, "x", mask=None))
    while time.monotonic() - begun < 8 and any(c.send_if_open(frame(TEXT, "and another thing")) for _, c in talking):
        time.sleep(0.05)
    assert time.monotonic() - begun < 8
    for node, client in silent:
        assert client.read_frame().code == 1002  # type: ignore[union-attr]
        client.expect_end()
    for node in every_node:
        wait_until(lambda: node.metrics().value("connections", "open") <= 8, f"{node}: they are gone")


def test_end_without_close(node: Node) -> None:
    """2.14: TCP ends without a close frame, in between and within a frame: counted, and nothing comes back."""
    count = node.metrics().closes("peerVanished")
    for tail in (b"", frame(TEXT, "hello")[:5], frame(TEXT, "x", fin=False)):
        with node.echo() as client:
            client.send(tail)
            client.finish()
            frames_left, closed = client.drain_to_close()
            assert not frames_left
            assert closed is None or closed.code in (None, 1000, 1002, 1006)
    wait_until(lambda: node.metrics().closes("peerVanished") == count + 3, "they are counted")


def test_published_before_the_end(node: Node) -> None:
    """Who publishes and leaves at once, with or without a close, has published."""
    listener = PusherClient(node)
    listener.subscribe("leaving")
    for number in range(30):
        with PusherClient(node) as client:
            client.subscribe("leaving")
            event = '{"event":"client-x","channel":"leaving","data":{"n":%d}}'
            client.send(b"".join(frame(TEXT, event % (number * 10 + k)) for k in range(10)) + (frames.close(1000) if number % 2 else b""))
    got = [json.loads(listener.read_message())["data"] for _ in range(300)]
    numbers = [(json.loads(d) if isinstance(d, str) else d)["n"] for d in got]
    # Publishers on different workers did not wait for each other; each one's own messages keep their order.
    assert sorted(numbers) == list(range(300))
    for first in range(0, 300, 10):
        assert [n for n in numbers if first <= n < first + 10] == list(range(first, first + 10))


# 2.15: UTF-8

GOOD_TEXT = [b"", "\u00e9".encode(), "\u20ac".encode(), "\U0001f600".encode(), "\u07ff\u0800\uffff\U00010000\U0010ffff".encode(), b"\x00\x7f",
             "\ufeff".encode(), "\ufdd0\ufffe\U0001fffe".encode(), b"\xed\x9f\xbf\xee\x80\x80", ("a" * 63 + "\u00e9" * 40 + "b" * 64).encode()]
BAD_TEXT = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80",
            b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xc3\x28", b"\xe2\x28\xa1",
            b"\xe2\x82\x28", b"\xf0\x28\x8c\xbc", b"\xf0\x9f\x98", b"\xe2\x82", b"\xc3", b"a" * 64 + b"\xff", b"a" * 61 + b"\xe2\x82" + b"(" + b"a" * 70]


def test_good_utf8(node: Node) -> None:
    """Every text comes back, in one frame, and in two fragments cut at every byte."""
    with node.echo() as client:
        for text in GOOD_TEXT:
            client.send(frame(TEXT, text))
            client.expect(TEXT, text)
            for cut in range(len(text) + 1):
                client.send(frame(TEXT, text[:cut], fin=False) + frame(CONTINUATION, text[cut:]))
                client.expect(TEXT, text)
        client.say_goodbye()


def test_bad_utf8(node: Node) -> None:
    """1007 whatever the cutting: one frame, fragments cut at each byte, reads cut at each byte."""
    count, closed = node.metrics().closes("invalidUTF8"), 0
    for text in BAD_TEXT:
        bad = text + b" and more" if text not in (b"\xf0\x9f\x98", b"\xe2\x82", b"\xc3") else text
        cuts = range(len(bad) + 1) if len(bad) < 20 else (0, 61, 62, 63, 64, 65, len(bad))
        for cut in cuts:
            with node.echo() as client:
                client.send(frame(TEXT, bad[:cut], fin=False) + frame(CONTINUATION, bad[cut:]))
                client.expect_close(1007, end=False)
                closed += 1
        for cut in cuts:
            with node.echo() as client:
                whole = frame(TEXT, bad)
                client.send(whole[:6 + cut])
                time.sleep(0.0008)
                client.send_if_open(whole[6 + cut:])
                client.expect_close(1007, end=False)
                closed += 1
    wait_until(lambda: node.metrics().closes("invalidUTF8") == count + closed, "each is counted")


def test_bad_utf8_is_refused_early(node: Node) -> None:
    """2.15: as soon as it is certain, before the message is whole."""
    with node.echo() as client:
        client.send(frame(TEXT, b"fine \xed\xa0\x80", fin=False))
        client.expect_close(1007)
    with node.echo() as client:
        client.send(frame(TEXT, b"fine \xff" + b"x" * 5000)[:100])
        client.expect_close(1007)


# 2.21, 2.22

def test_binary_where_text_is_spoken(node: Node) -> None:
    """2.21: /app speaks text."""
    count = node.metrics().closes("unsupportedData")
    with PusherClient(node) as client:
        client.send(frame(BINARY, "{\"event\":\"pusher:ping\"}"))
        client.expect_close(1003)
    wait_until(lambda: node.metrics().closes("unsupportedData") == count + 1, "it is counted")


@pytest.mark.parametrize("seed", range(3))
def test_mutated_streams(node: Node, seed: int) -> None:
    """2.22: streams with flipped, lost and doubled bytes. Each connection ends or works; the node and other connections do not mind."""
    chance = random.Random(seed)
    witness = node.echo()
    memory = node.resident_bytes()
    good = b"".join([frame(TEXT, "hello"), frame(BINARY, bytes(300)), frame(TEXT, "a", fin=False), frame(PING, "p"), frame(CONTINUATION, "b"),
                     frame(TEXT, "x" * 70_000), frames.close(1000, "bye")])
    for _ in range(60):
        stream = bytearray(good)
        for _ in range(chance.randrange(1, 8)):
            kind, place = chance.randrange(3), chance.randrange(min(len(stream), 700))
            if kind == 0:
                stream[place] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del stream[place:place + chance.randrange(1, 30)]
            else:
                stream[place:place] = chance.randbytes(chance.randrange(1, 30))
        client = node.echo()
        client.send_if_open(bytes(stream))
        client.finish()
        try:
            client.drain_to_close()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        client.close()
    witness.text("unimpressed")
    witness.expect(TEXT, b"unimpressed")
    witness.close()
    assert node.resident_bytes() - memory < ceiling(8 * MIB)


@pytest.mark.parametrize("path", ["/ws", "/app/app-key"])
def test_mutated_json(node: Node, path: str) -> None:
    """3.1, 3.2: rubbish in JSON ends no node."""
    chance = random.Random(7)
    samples = [b'{"event":"pusher:subscribe","data":{"auth":"","channel":"c"}}', b'{"action":"subscribe","channel":"c"}',
               b'{"event":"client-x","channel":"c","data":{"a":[1,2,{"b":null}]}}', b"[" * 5000, b'{"a":' * 1000 + b"1" + b"}" * 1000,
               b'{"event":' + b"9" * 5000 + b"}", b'"\\ud800"', b"\xef\xbb\xbf{}", b"{}{}", b"NaN", b"{\"a\":1,}", b"nul", b"\"\\u00"]
    for number in range(150):
        text = bytearray(samples[number % len(samples)])
        for _ in range(chance.randrange(0, 4)):
            text[chance.randrange(len(text))] = chance.choice(b'{}[]",:\\u0019aZ -.eE')
        with WebSocket(node.port, path, origin=GOOD_ORIGIN) as client:
            client.send(frame(TEXT, bytes(text)))
            client.send(frames.close(1000))
            _, closed = client.drain_to_close()
            assert closed is not None and closed.code in (1000, 1007, 1009), (bytes(text[:80]), closed)
