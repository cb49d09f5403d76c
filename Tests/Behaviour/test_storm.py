"""All clients come back at the same moment (hardening 6.7), at a size that fits every run; `wsbench storm` has the large one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import MANY_OF_EACH, is_sanitized
from harness.client import wait_until
from harness.horde import Horde
from harness.node import USUAL, Variant

STORM = 3000
STEADY = 20
PACED = USUAL.with_flags("--limits-accepts-per-second", "1000", "--limits-accepts-burst", "200")


@pytest.mark.variants(MANY_OF_EACH)
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer makes thousands too slow")
def test_row_6_7_reconnect_storm(start, variant: Variant) -> None:
    """6.7: thousands lose their connections at once and come back at once. They are let in at the rate that is set, and nobody is refused;
    those who stayed get every message, in order, all the while; everybody is subscribed again."""
    node = start(PACED, variant)
    steady = [node.realtime("steady") for _ in range(STEADY)]
    for client in steady:
        node.heard(client, "steady")
    publisher = node.realtime()
    horde = Horde(node, STORM, "realtime")
    everybody = 2 * STORM + STEADY
    wait_until(lambda: node.metrics().value("subscriptions") == everybody, "all are subscribed", timeout=60)
    before = node.metrics()
    horde.kill()
    with ThreadPoolExecutor(1) as pool:
        returning = pool.submit(Horde, node, STORM, "realtime")
        rounds = 0
        while rounds < 50 or not returning.done():
            publisher.json({"action": "publish", "channel": "steady", "message": f"round {rounds}"})
            for client in steady:
                assert client.read_message() == f"round {rounds}".encode()
            rounds += 1
        horde = returning.result()
    wait_until(lambda: node.metrics().value("subscriptions") == everybody, "all are subscribed again", timeout=60)
    after = node.metrics()
    assert after.value("clarion_accepts_refused_total") == before.value("clarion_accepts_refused_total")
    assert after.value("clarion_accepts_paced_total") > before.value("clarion_accepts_paced_total")
    assert after.closes("slowConsumer") == 0 and after.closes("unidentified") == 0
    assert after.value("sockets", "open") == STORM + STEADY + 1
    horde.kill()
    for client in [*steady, publisher]:
        assert client.is_alive()
        client.close()
    node.stop_clean()
