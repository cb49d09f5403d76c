"""Memory: slow readers among a thousand good ones, and what an idle connection costs."""

from __future__ import annotations

import pytest

from conftest import MANY_OF_EACH, ONE_OF_EACH, is_sanitized
from harness.client import wait_until
from harness.crowd import Crowd, check_order
from harness.node import USUAL, Node

MIB = 1 << 20
LOG_BYTES = 256 << 10
SMALL_LOG = USUAL.with_environment(CLARION_LIMITS_LOG_BYTES_MAX=str(LOG_BYTES), CLARION_LIMITS_CLOSE_SECONDS="2",
                                   CLARION_LIMITS_SLOW_CONSUMER_SECONDS="2").with_flags("--accept-client-events-from", "all")


@pytest.mark.variants(MANY_OF_EACH)
@pytest.mark.settings(SMALL_LOG)
def test_slow_readers_among_a_thousand(node: Node) -> None:
    """Five stop reading among 1 000: the 1 000 get everything in order, the five are closed as slow, memory stays bounded: a log
    for each worker and what 1 000 connections cost, but nothing for what the slow ones did not read (1.5 MB each)."""
    start, slow = node.resident_bytes(), node.metrics().closes("slowConsumer")
    crowd = Crowd(node, connections=1000, channels=1, publishers=4, messages=1500, stalled=5, pad=1000, several=0, one_side=1, window=60_000)
    try:
        result = crowd.result()
        check_order(result)
        assert result["connections"] == 1000 and result["received"] == 1_500_000
        wait_until(lambda: node.metrics().closes("slowConsumer") == slow + 5, "the five are closed for it")
        metrics = node.metrics()
        grown = node.resident_bytes() - start
        assert metrics.value("block_bytes") <= node.variant.workers * 4 * LOG_BYTES
        if not is_sanitized():
            assert grown < 16 * MIB, f"{grown >> 10} KiB for 1 000 connections and their log"
    finally:
        crowd.end()
    wait_until(lambda: node.metrics().value("sockets", "open") == 0, "all are gone")
    assert node.metrics().value("block_bytes") <= LOG_BYTES, "logs of channels without subscribers are freed"


@pytest.mark.variants(ONE_OF_EACH)
def test_idle_connections(start, variant) -> None:
    """An idle subscribed connection costs at most 1 KB of resident memory in the node."""
    if is_sanitized():
        pytest.skip("sanitizers change what memory costs")
    node = start(USUAL, variant)
    warm = [node.realtime(f"room{n % 20}") for n in range(200)]
    for client in warm:
        assert client.is_alive()
    before = node.resident_bytes()
    crowd = [node.realtime(f"room{n % 20}") for n in range(4000)]
    wait_until(lambda: node.metrics().value("subscriptions") == 4200, "all are subscribed")
    each = (node.resident_bytes() - before) / 4000
    assert each <= 1024, f"{each:.0f} bytes for each connection"
    for client in warm + crowd:
        client.close()
    wait_until(lambda: node.metrics().value("subscriptions") == 0, "all are gone")
    node.stop_clean()
