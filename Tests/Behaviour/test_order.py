"""Order: nobody misses, doubles or reorders a message, on any worker, from any kind of publisher."""

from __future__ import annotations

import os

import pytest

from conftest import MANY_OF_EACH, is_sanitized
from harness.crowd import Crowd, check_order
from harness.node import USUAL, Node, Variant

SHARED = USUAL.with_flags("--accept-client-events-from", "all", "--deflate-min-bytes", "1")
DEDICATED = SHARED.with_flags("--deflate", "dedicated", "--deflate-contexts-bytes-max", str(4 << 20))
EVERYONE = USUAL.with_flags("--accept-client-events-from", "all")
# Sanitized builds are many times slower: the same shape with fewer messages.
MESSAGES = int(os.environ.get("CLARION_ORDER_MESSAGES", 20_000 if is_sanitized() else 200_000))


@pytest.mark.variants(MANY_OF_EACH)
@pytest.mark.settings(EVERYONE)
def test_order(node: Node) -> None:
    """4 workers, 64 channels of each protocol, 2 000 connections with random subscriptions, 16 publishers over socket and HTTP,
    200 000 messages, some 4 million deliveries. In each channel all subscribers see one order without loss or doubles; across
    the channels of a subscriber, each publisher's messages come as they were published."""
    crowd = Crowd(node, connections=2000, channels=64, publishers=16, messages=MESSAGES, seconds=400)
    result = crowd.result()
    crowd.end()
    check_order(result)
    assert result["connections"] == 2000 and result["messages"] == MESSAGES
    assert node.metrics().closes("slowConsumer") == 0


@pytest.mark.settings(EVERYONE)
@pytest.mark.parametrize("seed", [2, 3])
def test_order_across_channels(node: Node, seed: int) -> None:
    """Every connection on several of few channels: what counts here is the order of publishers across channels and homes."""
    crowd = Crowd(node, connections=100, channels=12, publishers=16, messages=8000 if is_sanitized() else 20_000, several=100, seed=seed, seconds=200)
    result = crowd.result()
    crowd.end()
    check_order(result)


@pytest.mark.settings(EVERYONE)
def test_order_on_one_channel(node: Node) -> None:
    """4.11: all publishers on one channel, as fast as the node takes it, many subscribers: the log is the bottleneck. Publishers wait
    by TCP; what was taken is delivered."""
    crowd = Crowd(node, connections=200, channels=1, publishers=16, messages=3000 if is_sanitized() else 10_000, window=100_000, seconds=200)
    result = crowd.result()
    crowd.end()
    check_order(result)


@pytest.mark.variants([Variant("uring", 2), Variant("epoll", 3)])
@pytest.mark.settings(EVERYONE)
def test_large_messages(node: Node) -> None:
    """Messages of 3 KB: sends are cut short, logs are full, order holds."""
    crowd = Crowd(node, connections=100, channels=8, publishers=8, messages=4000, several=50, pad=3000, window=3000, seconds=200)
    result = crowd.result()
    crowd.end()
    check_order(result)


@pytest.mark.variants([Variant("uring", 4), Variant("epoll", 3)])
@pytest.mark.parametrize("settings", [SHARED, DEDICATED], ids=["shared", "dedicated"])
def test_order_compressed(pool, variant, settings) -> None:
    """Readers with all kinds of windows, with contexts of their own and without, and plain ones: one order for all of them."""
    node = pool.get(settings, variant)
    crowd = Crowd(node, connections=300, channels=24, publishers=16, messages=6000 if is_sanitized() else 20_000, several=40, deflate=70, pad=200,
                  seconds=200)
    result = crowd.result()
    crowd.end()
    check_order(result)
    assert result["deflated"] > result["received"] / 3
    assert node.metrics().closes("slowConsumer") == 0
