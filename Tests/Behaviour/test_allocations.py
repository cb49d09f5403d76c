"""A delivery allocates nothing: what a publish allocates does not grow with the number of subscribers."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path

import pytest

from harness import frames
from harness.client import WebSocket, wait_until
from harness.node import BASE, GOOD_ORIGIN, Node, Variant, is_sanitized

MESSAGES = 400
FEW, MANY = 10, 400
# What one publish may allocate: the shared frame and what goes with it.
ALLOCATIONS_PER_PUBLISH_MAX = 3
# Beside it: blocks and lists that grow to their size once.
ALLOCATIONS_FOR_GROWTH_MAX = 400


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiles the library that counts."""
    target = tmp_path_factory.mktemp("malloc") / "malloc_count.so"
    source = Path(__file__).parent / "malloc_count.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
    return target


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has its own allocator")
@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_a_delivery_allocates_nothing(backend: str, counter: Path, tmp_path: Path) -> None:
    file = tmp_path / "count"
    file.write_bytes(bytes(8))
    settings = BASE.with_flags("--realtime-publish", "--realtime-origins", GOOD_ORIGIN).with_environment(
        LD_PRELOAD=str(counter), MALLOC_COUNT_FILE=str(file))
    node = Node(settings, Variant(backend, 1))
    try:
        with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 8) as memory:
            def count() -> int:
                return struct.unpack("Q", memory[:8])[0]

            assert count() > 0, "the library is not loaded"
            few = allocations(node, FEW, "few", count)
            many = allocations(node, MANY, "many", count)
    finally:
        node.stop_clean()
    bound = ALLOCATIONS_PER_PUBLISH_MAX * MESSAGES + ALLOCATIONS_FOR_GROWTH_MAX
    print(f"{backend}: {few} allocations to {FEW}, {many} to {MANY}")
    assert few <= bound, f"{few} allocations for {MESSAGES} messages to {FEW}"
    assert many <= bound, f"{many} allocations for {MESSAGES} messages to {MANY}: {few} of them to {FEW}"


def allocations(node: Node, subscribers: int, channel: str, count) -> int:
    """What the node allocates while MESSAGES messages go to so many subscribers of one channel."""
    crowd = [WebSocket(node.port, "/ws", origin=GOOD_ORIGIN) for _ in range(subscribers)]
    publisher = WebSocket(node.port, "/ws", origin=GOOD_ORIGIN)
    for member in crowd:
        member.json({"action": "subscribe", "channel": channel})
    wait_until(lambda: node.metrics().value("subscriptions") == subscribers, "all are subscribed")
    # The first round lets everything grow to its size.
    publish(publisher, crowd, channel)
    before = count()
    publish(publisher, crowd, channel)
    after = count()
    for member in (*crowd, publisher):
        member.close()
    wait_until(lambda: node.metrics().value("subscriptions") == 0, "all have left")
    return after - before


def publish(publisher: WebSocket, crowd: list[WebSocket], channel: str) -> None:
    text = "x" * 64
    for _ in range(MESSAGES):
        publisher.json({"action": "publish", "channel": channel, "message": text})
    expected = frames.frame(frames.TEXT, text, mask=None) * MESSAGES
    for member in crowd:
        assert member.read_exactly(len(expected)) == expected
