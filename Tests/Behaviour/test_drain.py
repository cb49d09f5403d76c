"""Leaving: clients are sent away a few at a time, and nobody loses anything (hardening 6.1, 6.8)."""

from __future__ import annotations

import signal
import threading
import time


import pytest

from conftest import MANY_OF_EACH, ONE_OF_EACH
from harness import frames
from harness.client import wait_until
from harness.node import USUAL, Variant
from harness.pusher import PusherClient, trigger

SLOW = USUAL.with_environment(CLARION_LIMITS_DRAIN_SPREAD_SECONDS="6", CLARION_LIMITS_DRAIN_PER_SECOND_MIN="1")
"""A drain that can be watched."""


class Watcher:
    """Reads clients until they are closed, each on a thread of its own; notes when and how."""

    def __init__(self, clients: list) -> None:
        self.closed: list[tuple[float, int | None, list]] = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.read, args=(client,)) for client in clients]
        for thread in self.threads:
            thread.start()

    def read(self, client) -> None:
        before, closed = client.drain_to_close(timeout=30)
        now = time.monotonic()
        client.send_if_open(frames.close(closed.code if closed else None))
        with self.lock:
            self.closed.append((now, closed.code if closed else None, before))

    def join(self) -> None:
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive(), "a client was not told"


def test_6_1_clients_leave_in_batches(start, variant: Variant) -> None:
    """Each is told once, with the code of its protocol, in many small batches; meanwhile /up says 503, /metrics answers, nothing new is
    let in and nothing is published; the end is status 0."""
    node = start(SLOW, variant)
    pushers = [PusherClient(node) for _ in range(40)]
    for client in pushers:
        client.subscribe("c")
    others = [node.realtime("c") for _ in range(20)]
    wait_until(lambda: node.metrics().value("subscriptions") == 60, "all are subscribed")
    begun = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    watch, other_watch = Watcher(pushers), Watcher(others)
    wait_until(lambda: node.request("GET", "/up").status == 503, "/up says that nobody is to be sent here")
    answer = node.request("GET", "/up")
    assert b"draining" in answer.body and answer.fields["retry-after"], answer
    assert node.metrics().value("draining") == variant.workers
    assert node.upgrade("/app/app-key?protocol=7")[1].status == 503
    refused = trigger(node, "c")
    assert refused.status == 503 and refused.fields["retry-after"], refused
    watch.join()
    other_watch.join()
    assert {code for _, code, _ in watch.closed} == {4200}
    assert {code for _, code, _ in other_watch.closed} == {1012}
    assert node.process.wait(30) == 0, node.output()
    times = sorted(moment - begun for moment, _, _ in watch.closed + other_watch.closed)
    assert len(times) == 60
    quarters = {int(moment * 4) for moment in times}
    assert len(quarters) >= 6, f"told in {len(quarters)} quarters of a second: {times}"
    assert max(sum(1 for t in times if int(t * 4) == quarter) for quarter in quarters) <= 30, times


def test_6_1_nothing_is_lost(start, variant: Variant) -> None:
    """What an application was told is published, and what clients publish before they are told to go, reaches everybody who is there."""
    node = start(SLOW, variant)
    readers = [node.realtime("busy") for _ in range(12)]
    for reader in readers:
        node.heard(reader, "busy")
        reader.sees_probes = True
    answered: list[int] = []
    number, over = 0, False

    def publish() -> None:
        nonlocal number, over
        while not over:
            try:
                if node.broadcast("busy", f"n{number}").status != 202:
                    return
            except (OSError, EOFError):
                return
            answered.append(number)
            number += 1

    publisher = threading.Thread(target=publish)
    publisher.start()
    wait_until(lambda: len(answered) > 50, "there is traffic")
    watch = Watcher(readers)
    node.process.send_signal(signal.SIGTERM)
    watch.join()
    over = True
    publisher.join(20)
    for _, code, before in watch.closed:
        assert code == 1012
        got = [int(f.payload[1:]) for f in before if f.payload.startswith(b"n")]
        assert got == answered, f"{len(got)} of {len(answered)}"
    assert node.process.wait(30) == 0


@pytest.mark.variants(ONE_OF_EACH)
def test_6_1_second_signal(start, variant: Variant) -> None:
    """A second SIGTERM is not patient any more; what waits is told at once and the end is in order."""
    node = start(USUAL.with_environment(CLARION_LIMITS_DRAIN_SPREAD_SECONDS="600", CLARION_LIMITS_DRAIN_PER_SECOND_MIN="1"), variant)
    clients = [PusherClient(node) for _ in range(30)]
    node.process.send_signal(signal.SIGTERM)
    wait_until(lambda: node.request("GET", "/up").status == 503, "it drains")
    watch = Watcher(clients)
    node.process.send_signal(signal.SIGTERM)
    watch.join()
    assert {code for _, code, _ in watch.closed} == {4200}
    assert node.process.wait(30) == 0


@pytest.mark.variants(MANY_OF_EACH)
def test_6_1_idle_node(start, variant: Variant) -> None:
    """A node without clients leaves at once, however long a drain may take; and SIGINT does not wait for one."""
    settings = USUAL.with_environment(CLARION_LIMITS_DRAIN_SPREAD_SECONDS="600", CLARION_LIMITS_DRAIN_PER_SECOND_MIN="1")
    node = start(settings, variant)
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(30) == 0
    node = start(settings, variant)
    clients = [PusherClient(node) for _ in range(30)]
    node.process.send_signal(signal.SIGINT)
    Watcher(clients).join()
    assert node.process.wait(30) == 0


def test_6_1_publishers_at_the_end(start, variant: Variant) -> None:
    """Who publishes while the node ends, at once after a second SIGTERM, gets an answer or the end of the connection, never a reset: an
    answer to what was read, 503 to what comes now and to half a request."""
    node = start(SLOW, variant)
    client = PusherClient(node)
    request = b"POST /apps/app-id/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    early, idle = [node.raw() for _ in range(20)], [node.raw() for _ in range(20)]
    for connection in early + idle:
        connection.send(b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.read_response().status == 200
    node.process.send_signal(signal.SIGTERM)
    wait_until(lambda: node.request("GET", "/up").status == 503, "it drains")
    half = node.raw()
    half.send(request[:-1])
    failures: list[str] = []
    seen: list[int | None] = []
    told = threading.Event()

    def publish(connection, delay: float) -> None:
        told.wait(30)
        time.sleep(delay)
        try:
            if connection.send_if_open(request):
                rest = connection.read_rest(timeout=30)
                seen.append(int(rest.split()[1]) if rest else None)
        except OSError as error:
            failures.append(f"after {delay}: {error!r}")

    threads = [threading.Thread(target=publish, args=(connection, number * 0.02)) for number, connection in enumerate(early)]
    for thread in threads:
        thread.start()
    node.process.send_signal(signal.SIGTERM)
    told.set()
    client.read_error(4200)
    client.expect_close(4200)
    for thread in threads:
        thread.join(40)
    assert half.read_rest(timeout=30).startswith(b"HTTP/1.1 503 ")
    for connection in idle:
        assert connection.read_rest(timeout=30) == b""
    assert not failures and set(seen) <= {503, None} and 503 in seen, (failures, seen)
    assert node.process.wait(30) == 0


@pytest.mark.variants(MANY_OF_EACH)
def test_6_8_health_checks_under_load(node, variant: Variant) -> None:
    """Thousands of health checks beside traffic: all are answered, and so is the traffic; they take nothing that delivery needs."""
    readers = [node.realtime("h") for _ in range(4)]
    for reader in readers:
        node.heard(reader, "h")
    failures: list[str] = []
    over = threading.Event()
    checked = [0] * 4

    def check(place: int) -> None:
        request = b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n"
        try:
            with node.raw() as connection:
                while not over.is_set():
                    connection.send(request * 20)
                    for _ in range(20):
                        answer = connection.read_response()
                        if answer.status != 200:
                            failures.append(f"{answer.status}")
                        checked[place] += 1
        except Exception as error:  # noqa: BLE001
            failures.append(repr(error))

    threads = [threading.Thread(target=check, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for n in range(200):
        assert node.broadcast("h", f"m{n}").status == 202
    for reader in readers:
        assert [reader.read_message() for _ in range(200)] == [f"m{n}".encode() for n in range(200)]
    wait_until(lambda: sum(checked) >= 2000, "many were answered")
    over.set()
    for thread in threads:
        thread.join(30)
    assert not failures, failures[:5]
