"""permessage-deflate: offers, what is sent compressed, what is refused, real clients (hardening 1.5, 2.4, 2.16 to 2.20)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import zlib

import aiohttp
import pytest
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from conftest import MANY_OF_EACH, ONE_OF_EACH, is_sanitized
from harness import browser
from harness.client import PATIENCE, wait_until
from harness.deflate import DeflateSocket, raw_deflate
from harness.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from harness.node import APP_KEY, APP_SECRET, GOOD_ORIGIN, USUAL, Node, free_port
from harness.pusher import trigger
from test_real_clients import node_ws

DEDICATED = USUAL.with_flags("--deflate", "dedicated")
OFF = USUAL.with_flags("--deflate", "off")
ALONE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
JSON = json.dumps([{"event": "trade", "price": n * 1.25, "side": "buy"} for n in range(12)])

DECLINED = [
    "permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=99",
    "permessage-deflate; server_max_window_bits=-1", "permessage-deflate; server_max_window_bits=abc", "permessage-deflate; server_max_window_bits=",
    "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
    "permessage-deflate; client_max_window_bits=\"9", "permessage-deflate; client_max_window_bits=''", "permessage-deflate; unknown=1",
    "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate;", "permessage-deflate; =", "x-webkit-deflate-frame", "", ",,,", ";", "\"", "permessage-bzip2",
]
"""Offers that nothing is agreed on for; the connection goes on without."""

ACCEPTED = [
    ("permessage-deflate", ALONE), ("permessage-deflate; client_max_window_bits", ALONE), ("permessage-deflate; client_max_window_bits=\"10\"", ALONE),
    ("permessage-deflate; server_max_window_bits=10", ALONE + "; server_max_window_bits=9"),
    ("permessage-deflate; server_max_window_bits=15", ALONE + "; server_max_window_bits=15"),
    ("foo; a=\"b\", permessage-deflate; server_max_window_bits=6, permessage-deflate; server_max_window_bits=12, permessage-deflate",
     ALONE + "; server_max_window_bits=12"),
]


@pytest.mark.variants(ONE_OF_EACH)
def test_offers(node: Node) -> None:
    """Hardening 2.18: the first acceptable offer wins; without one the connection goes on without compression."""
    for offer, answer in ACCEPTED:
        client = DeflateSocket(node.port, "/echo", offer)
        assert client.answer == answer, offer
        client.deflated_text(JSON)
        assert client.read_message() == JSON.encode() and client.deflated == 1, offer
        client.say_goodbye()
    for offer in DECLINED:
        client = DeflateSocket(node.port, "/echo", offer)
        assert client.answer == "", offer
        client.text(JSON)
        assert client.read_message() == JSON.encode() and client.deflated == 0
        client.say_goodbye()


@pytest.mark.variants(ONE_OF_EACH)
def test_long_offers(node: Node) -> None:
    """Hardening 1.5: fields of 4 KB of spaces, commas, quotes, extensions and repeated parameters are read in no time."""
    size = 4000
    fields = [" " * size + "permessage-deflate", "," * size, "a," * (size // 2), "\"" * size, "a" + ";b" * (size // 2),
              "a;b=\"" + "\\c" * (size // 2 - 10) + "\"", "permessage-deflate" + ";server_no_context_takeover" * (size // 27 - 1)]
    started = node.cpu_seconds()
    for field in fields * 10:
        client, answer = node.upgrade("/echo", more=f"Sec-WebSocket-Extensions: {field}\r\n")
        assert answer.status == 101
        client.close()
    if not is_sanitized():
        assert node.cpu_seconds() - started < 0.7, "a millisecond each, and as much again for the connection"


@pytest.mark.variants(ONE_OF_EACH)
@pytest.mark.settings(OFF)
def test_off(node: Node) -> None:
    client = DeflateSocket(node.port, "/echo")
    assert client.answer == ""
    client.send(frame(TEXT, b"\x00", rsv=4))
    client.expect_close(1002)


@pytest.mark.variants(ONE_OF_EACH)
@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
def test_reserved_bits(node: Node, opcode: int) -> None:
    """Hardening 2.4: where compression was agreed on, RSV1 may stand on the first frame of a message; nothing else may."""
    for rsv in range(1, 8):
        client = DeflateSocket(node.port, "/echo")
        if opcode == CONTINUATION:
            client.send(frame(TEXT, b"", fin=False, rsv=4))
        client.send(frame(opcode, b"\x00" if opcode < 8 else b"", rsv=rsv))
        if rsv == 4 and opcode in (TEXT, BINARY):
            assert client.read_message() == b""
            client.close()
        else:
            client.expect_close(1002)


@pytest.mark.parametrize("settings", [USUAL, DEDICATED], ids=["shared", "dedicated"])
@pytest.mark.variants(ONE_OF_EACH)
def test_bombs(pool, variant, settings) -> None:
    """Hardening 2.16: inflating stops at the bound; a bomb costs its connection and no memory."""
    node = pool.get(settings, variant)
    bombs = [raw_deflate(b" " * size) for size in (70_000, 10 << 20, 100 << 20)]
    # 6 MB on the wire do not get past the header.
    huge = raw_deflate(b" " * (1 << 20))[:1000] * 6300
    warm = DeflateSocket(node.port, "/echo")
    for _ in range(3):
        warm.deflated_text(b" " * (1 << 20))
        assert len(warm.read_message()) == 1 << 20
    warm.say_goodbye()
    before = node.resident_bytes()
    for path in ("/ws", f"/app/{APP_KEY}"):
        for bomb in bombs:
            for cut in (None, 7):
                client = DeflateSocket(node.port, path, origin=GOOD_ORIGIN)
                if path.startswith("/app"):
                    client.read_message()
                if cut is None:
                    client.send_if_open(frame(TEXT, bomb, rsv=4))
                else:
                    client.send_if_open(frame(TEXT, bomb[:cut], rsv=4, fin=False) + frame(CONTINUATION, bomb[cut:]))
                client.expect_close(1009)
        client = DeflateSocket(node.port, path, origin=GOOD_ORIGIN)
        if path.startswith("/app"):
            client.read_message()
        client.send_if_open(frame(TEXT, huge, rsv=4))
        client.expect_close(1009, end=False)
        client.close()
    if not is_sanitized():
        assert node.resident_bytes() - before < 4 << 20, "receive buffers, and nothing of a hundred megabytes"
    wait_until(lambda: node.metrics().value("block", "bytes") < 1 << 20, "what the bombs had is given back")
    wait_until(lambda: node.metrics().value("sockets", "open") == 0, "all are gone")


def test_exact_bound(node: Node) -> None:
    """A message of just the bound passes, whatever it was compressed to; one byte more does not."""
    noise = bytes(0x20 + n * n * 31 % 90 for n in range(65536))
    for body in (b"x" * 65536, noise):
        client = DeflateSocket(node.port, "/ws", origin=GOOD_ORIGIN)
        client.deflated_text(body)
        assert client.is_alive()
        client.deflated_text(body + b"x")
        client.expect_close(1009)


GARBAGE = {
    "a reserved kind of block": b"\x07", "noise": b"\xff\xfe\xfd\xfc", "a cut block": raw_deflate(JSON.encode())[:-6],
    "a stored block whose length lies": b"\x00\x09\x00\xf6\xfe123", "a cut stored block": b"\x00\x09\x00\xf6\xff123",
    "a distance before the beginning": b"\x4b\x04\x61\x00\x00", "an earlier message's window": b"\xf2\x00\x11\x00\x00",
    "empty blocks, then garbage": b"\x00\x00\x00\xff\xff" * 500 + b"\x07",
}


@pytest.mark.variants(ONE_OF_EACH)
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(node: Node, name: str) -> None:
    """Hardening 2.17: what is no DEFLATE data ends its connection with 1007, and harms no other."""
    witness = DeflateSocket(node.port, "/echo")
    before = node.metrics().closes("malformedDeflate")
    client = DeflateSocket(node.port, "/echo")
    client.send(frame(TEXT, GARBAGE[name], rsv=4))
    client.expect_close(1007)
    witness.deflated_text(JSON)
    assert witness.read_message() == JSON.encode()
    wait_until(lambda: node.metrics().closes("malformedDeflate") == before + 1, "it is counted")


@pytest.mark.variants(ONE_OF_EACH)
def test_blocks(node: Node) -> None:
    """Hardening 2.17: stored, empty and final blocks, texts that are not UTF-8, and the bound before the garbage behind it."""
    client = DeflateSocket(node.port, "/echo")
    stored = b"\x00\x01\x00\xfe\xffA" * 300
    final = zlib.compressobj(6, zlib.DEFLATED, -15)
    for payload, wanted in ((stored + b"\x00", b"A" * 300), (b"\x00\x00\x00\xff\xff" * 2000 + b"\x00", b""), (b"", b""), (b"\x00", b""),
                            (final.compress(b"final") + final.flush() + b"\x00", b"final")):
        client.send(frame(TEXT, payload, rsv=4))
        assert client.read_message() == wanted
    client.send(frame(TEXT, raw_deflate(b"caf\xe9"), rsv=4))
    client.expect_close(1007)
    client = DeflateSocket(node.port, "/ws", origin=GOOD_ORIGIN)
    client.send(frame(TEXT, raw_deflate(b" " * 70_000) + b"\x07", rsv=4))
    client.expect_close(1009)


@pytest.mark.parametrize("settings", [USUAL, DEDICATED], ids=["shared", "dedicated"])
def test_broadcast(pool, variant, settings) -> None:
    """Readers with all kinds of windows and contexts, and plain ones: each gets each message, once and in order."""
    node = pool.get(settings, variant)
    offers = ["", *(f"permessage-deflate; server_max_window_bits={bits}" for bits in range(8, 16)), "permessage-deflate",
              "permessage-deflate; server_no_context_takeover", "permessage-deflate; client_max_window_bits=9"]
    readers = [DeflateSocket(node.port, "/ws", offer, origin=GOOD_ORIGIN) for offer in offers * 2]
    for reader in readers:
        reader.json({"action": "subscribe", "channel": "market"})
        node.heard(reader, "market")
        reader.wire_bytes = reader.deflated = 0
    before = node.metrics().value("deflated")
    texts = ["short", *(f"{n} {JSON}" for n in range(20)), "Zo\u00eb " * 3000, "end"]
    for text in texts:
        assert node.broadcast("market", text).status == 202
    for reader, offer in zip(readers, offers * 2):
        reader.sees_probes = False
        assert [reader.read_message().decode() for _ in texts] == texts, offer
        assert reader.deflated == (len(texts) - 2 if offer else 0), offer
        if offer:
            assert reader.wire_bytes < len("".join(texts).encode()) / 3, offer
    made = node.metrics().value("deflated") - before
    if settings is USUAL:
        # Once for all who read with one window, and the short ones fit every window; never once for each reader.
        assert made <= 4 * len(texts) * node.variant.workers
    for reader in readers:
        reader.close()
    wait_until(lambda: node.metrics().value("deflate", "logs") == 0, "their logs are gone")


@pytest.mark.settings(DEDICATED)
def test_context(node: Node) -> None:
    """A context makes what is said again much shorter, in both directions, and pings between fragments do not harm it."""
    client = DeflateSocket(node.port, "/echo", "permessage-deflate; client_max_window_bits")
    assert client.answer == "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    sizes = []
    for number in range(6):
        before = client.wire_bytes
        client.deflated_text(f"{number} {JSON}", cuts=(1, 5))
        client.ping(b"between")
        assert client.read_message() == f"{number} {JSON}".encode()
        sizes.append(client.wire_bytes - before)
    assert max(sizes[1:]) < sizes[0] / 3, sizes
    assert node.metrics().value("deflate", "contexts") >= 1


@pytest.mark.variants(MANY_OF_EACH)
@pytest.mark.parametrize("settings", [USUAL, DEDICATED], ids=["shared", "dedicated"])
def test_long_messages(pool, variant, settings) -> None:
    """A message of a megabyte is compressed in slices; small ones of its channel come behind it, other channels need not wait."""
    node = pool.get(settings, variant)
    long = "".join(f"{n * n % 99991:x} " for n in range(170_000))
    readers = [DeflateSocket(node.port, "/ws", offer, origin=GOOD_ORIGIN)
               for offer in ("permessage-deflate", "permessage-deflate; server_max_window_bits=9", "")]
    for reader in readers:
        for channel in ("long", "other"):
            reader.json({"action": "subscribe", "channel": channel})
            node.heard(reader, channel)
    for channel, text in (("long", long), ("long", "behind"), ("other", JSON), ("long", long), ("long", "end")):
        assert node.broadcast(channel, text).status == 202
    for reader in readers:
        reader.sees_probes = False
        assert [reader.read_message().decode() for _ in range(5)] == [long, "behind", JSON, long, "end"]
    if settings is USUAL:
        assert node.metrics().value("deflate", "jobs") >= 4


@pytest.mark.variants(ONE_OF_EACH)
def test_memory_of_contexts(start, variant) -> None:
    """Hardening 2.19: connections that all agree on contexts cost what plain ones do until they use them, and never more than the
    budget together; those over it are compressed for as everybody else."""
    budget = 1 << 20
    node = start(DEDICATED.with_flags("--deflate-contexts-bytes-max", str(budget)), variant)
    warm = [DeflateSocket(node.port, "/echo", "") for _ in range(300)]
    for client in warm:
        assert client.is_alive()
    before = node.resident_bytes()
    crowd = [DeflateSocket(node.port, "/echo") for _ in range(1500)]
    metrics = node.metrics()
    contexts = metrics.value("deflate_contexts")
    assert 10 < contexts <= budget // 50_000 and metrics.value("deflate_context_bytes") <= budget
    assert metrics.value("deflate_contexts_refused") == 1500 - contexts
    assert metrics.value("deflate_connections") == 1500
    if not is_sanitized():
        each = (node.resident_bytes() - before) / 1500
        assert each < 1500, f"{each:.0f} bytes for a connection that has agreed and said nothing"
    for client in crowd:
        client.deflated_text(JSON)
        assert client.read_message() == JSON.encode() and client.deflated == 1
    if not is_sanitized():
        assert node.resident_bytes() - before < budget + 1500 * 2000 + (1 << 20)
    for client in crowd + warm:
        client.close()
    wait_until(lambda: node.metrics().value("deflate_context_bytes") == 0, "the budget is free again")
    node.stop_clean()


@pytest.mark.variants(ONE_OF_EACH)
def test_rules_for_channels(start, variant) -> None:
    """Hardening 2.20: channels that are marked so are never compressed."""
    node = start(DEDICATED.with_flags("--deflate-channels", "secret-*=off,*=shared"), variant)
    reader = DeflateSocket(node.port, "/ws", origin=GOOD_ORIGIN)
    for channel, deflated in (("secret-1", 0), ("open", 1)):
        reader.json({"action": "subscribe", "channel": channel})
        node.heard(reader, channel)
        reader.sees_probes, reader.deflated = False, 0
        assert node.broadcast(channel, JSON).status == 202
        assert reader.read_message() == JSON.encode()
        assert reader.deflated == deflated
    reader.close()
    node.stop_clean()


@pytest.mark.variants(ONE_OF_EACH)
def test_listeners_of_their_own(start, variant, tmp_path) -> None:
    """A listener may give less than the node: nothing, or no contexts."""
    ports = {mode: free_port() for mode in ("off", "shared", "dedicated")}
    (tmp_path / "node.toml").write_text("".join(
        f'[[listeners]]\nport = {port}\ndeflate = "{mode}"\n' for mode, port in ports.items()))
    node = start(DEDICATED.with_flags("--config", str(tmp_path / "node.toml")), variant)
    contexts = 0
    for mode, port in [("dedicated", node.port), *ports.items()]:
        client = DeflateSocket(port, "/echo")
        assert ("no_context_takeover" in client.answer) == (mode == "shared"), (mode, client.answer)
        assert (client.answer == "") == (mode == "off"), (mode, client.answer)
        contexts += mode == "dedicated"
        assert node.metrics().value("deflate_contexts") == contexts, mode
        assert client.is_alive()
        contexts -= mode == "dedicated"
        client.close()
        wait_until(lambda: node.metrics().value("deflate_connections") == 0, "the connection is gone")
    node.stop_clean()


@pytest.mark.variants(ONE_OF_EACH)
def test_encrypted_channels(node: Node) -> None:
    """Hardening 2.20: what is encrypted end to end goes plain, beside a public channel that does not."""
    client = DeflateSocket(node.port, f"/app/{APP_KEY}?protocol=7")
    socket_id = json.loads(client.read_json()["data"])["socket_id"]
    for channel, deflated in (("private-encrypted-mail", 0), ("news", 1)):
        auth = hmac.new(APP_SECRET.encode(), f"{socket_id}:{channel}".encode(), hashlib.sha256).hexdigest()
        client.json({"event": "pusher:subscribe", "data": {"channel": channel, "auth": f"{APP_KEY}:{auth}"}})
        assert client.read_json()["event"] == "pusher_internal:subscription_succeeded"
        client.deflated = 0
        assert trigger(node, channel, data=JSON).status == 200
        assert client.read_json()["data"] == JSON
        assert client.deflated == deflated, channel
    client.close()


# Real clients


def echo_all(node: Node, **options) -> None:
    """`websockets` with these settings: everything comes back, by /echo and from a channel."""
    messages = ["text", "", JSON, "Zo\u00eb" * 5000, b"bytes" * 300, b"\0" * 500_000, ["in ", "three ", "fragments " * 50], JSON, JSON]

    async def converse() -> None:
        factory = ClientPerMessageDeflateFactory(**options)
        async with websockets.connect(f"ws://127.0.0.1:{node.port}/echo", max_size=1 << 24, extensions=[factory], compression=None) as client:
            assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
            for message in messages:
                await client.send(message)
                got = await asyncio.wait_for(client.recv(), PATIENCE)
                assert got == ("".join(message) if isinstance(message, list) else message)
        assert client.close_code == 1000

    asyncio.run(converse())


@pytest.mark.parametrize("settings", [USUAL, DEDICATED], ids=["shared", "dedicated"])
@pytest.mark.variants(ONE_OF_EACH)
def test_websockets(pool, variant, settings) -> None:
    node = pool.get(settings, variant)
    echo_all(node, client_max_window_bits=True)
    echo_all(node, server_max_window_bits=9, client_max_window_bits=9)
    echo_all(node, server_max_window_bits=12, client_no_context_takeover=True)
    echo_all(node, server_no_context_takeover=True)


@pytest.mark.parametrize("settings", [USUAL, DEDICATED], ids=["shared", "dedicated"])
@pytest.mark.variants(ONE_OF_EACH)
def test_aiohttp(pool, variant, settings) -> None:
    """aiohttp: a decoder of its own."""
    node = pool.get(settings, variant)

    async def converse() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"ws://127.0.0.1:{node.port}/echo", compress=15, max_msg_size=1 << 24) as client:
                assert client.compress, "nothing was agreed on"
                for text in ("text", JSON, "Zo\u00eb" * 5000, JSON, JSON):
                    await client.send_str(text)
                    assert await asyncio.wait_for(client.receive_str(), PATIENCE) == text
                await client.send_bytes(b"\0" * 100_000)
                assert await asyncio.wait_for(client.receive_bytes(), PATIENCE) == b"\0" * 100_000

    asyncio.run(converse())


@pytest.mark.parametrize("settings", [USUAL, DEDICATED], ids=["shared", "dedicated"])
@pytest.mark.variants(ONE_OF_EACH)
def test_node_ws(pool, variant, settings) -> None:
    """`ws` of Node: echoes of all sizes, and a channel."""
    node = pool.get(settings, variant)
    before = node.metrics()
    client = node_ws(f"ws://127.0.0.1:{node.port}/echo", GOOD_ORIGIN, "echo")
    _, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    after = node.metrics()
    assert after.value("inflated") > before.value("inflated") and after.value("deflated") > before.value("deflated")
    client = node_ws(f"ws://127.0.0.1:{node.port}/ws", GOOD_ORIGIN, "realtime")
    assert client.stdout is not None and client.stdout.readline().strip() == "ready"
    wait_until(lambda: node.metrics().value("subscriptions") >= 1, "it is subscribed")
    texts = ["first", JSON, "Zo\u00eb \u2603" * 2000, JSON, "end"]
    for text in texts:
        assert node.broadcast("from-ws", text).status == 202
    rest, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    assert [json.loads(line) for line in rest.splitlines()] == texts
    assert node.metrics().value("deflated") - after.value("deflated") >= 3


@pytest.mark.parametrize("settings", [USUAL, DEDICATED], ids=["shared", "dedicated"])
@pytest.mark.variants(ONE_OF_EACH)
def test_chromium(pool, variant, settings) -> None:
    """A browser: what it sends comes back as it was."""
    node = pool.get(settings, variant)
    before = node.metrics()
    assert browser.echoes(f"ws://127.0.0.1:{node.port}/echo", JSON).startswith("1000 after 7 with permessage-deflate")
    after = node.metrics()
    assert after.value("inflated") - before.value("inflated") >= 3 and after.value("deflated") - before.value("deflated") >= 3
