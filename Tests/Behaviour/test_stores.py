"""Applications outside the configuration: stores (SQLite, PostgreSQL, Redis) and the command line that keeps them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any, Iterator

import pytest

from harness.client import wait_until
from harness.databases import PASSWORD, Postgres, Redis, SQLite
from harness.node import Node, Settings, Variant, binary
from harness.pusher import PusherClient, api, dumps, signed_target, trigger

STORES = {"sqlite": SQLite, "postgres": Postgres, "redis": Redis}
SOME = [Variant("uring", 4), Variant("epoll", 1)]


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Any]]:
    running: dict[str, Any] = {}
    yield running
    for server in running.values():
        server.close()


@pytest.fixture
def store(request: pytest.FixtureRequest, servers: dict[str, Any]) -> Any:
    """An empty store of the kind that the test is for."""
    kind = request.param
    if kind not in servers:
        servers[kind] = STORES[kind]()
    servers[kind].empty()
    return servers[kind]


def app(store: Any, *arguments: str, status: int = 0) -> str:
    """`clarion app …` on a store."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("REVERB_", "CLARION_"))}
    result = subprocess.run([str(binary()), "app", *arguments], capture_output=True, text=True, timeout=60,
                            env=clean | {"CLARION_APPS_STORE": store.url}, stdin=subprocess.DEVNULL)
    assert result.returncode == status, f"{arguments} ended with {result.returncode}: {result.stdout}{result.stderr}"
    assert PASSWORD not in result.stdout + result.stderr
    return result.stdout + result.stderr


def created(store: Any, *arguments: str) -> dict[str, Any]:
    return json.loads(app(store, "create", "--json", *arguments))


def settings(store: Any, **variables: str) -> Settings:
    return Settings(flags=("--log-format", "json"), environment=(
        ("CLARION_APPS_STORE", store.url), ("CLARION_APPS_CACHE_SECONDS", "1"), ("CLARION_APPS_ABSENT_SECONDS", "1"),
        *variables.items()))


def refusal(node: Node, key: str) -> int:
    """The code with which a connection is refused, in the message and in the close frame."""
    client = PusherClient(node, key=key, establish=False)
    code = json.loads(client.read_json()["data"])["code"]
    client.expect_close(code)
    return code


@pytest.mark.variants(SOME[:1])
def test_another_file_in_its_place(start, variant: Variant, tmp_path: Any) -> None:
    """A file of SQLite that was removed or replaced is not read on: what it held is gone, or another."""
    class Place:
        url = f"sqlite:{tmp_path / 'apps.db'}"

    listing = app(Place, "list", status=78)
    assert "clarion app create" in listing, listing
    old = created(Place, "--id", "old")
    node = start(settings(Place), variant)
    wait_until(lambda: trigger_of(node, old, "c").status == 200, "the old one is known")
    (tmp_path / "apps.db").unlink()
    new = created(Place, "--id", "new")
    wait_until(lambda: trigger_of(node, new, "c").status == 200, "the new one is known")
    wait_until(lambda: trigger_of(node, old, "c").status == 404, "the old one is gone")
    node.stop_clean()


@pytest.mark.parametrize("store", STORES, indirect=True)
@pytest.mark.variants(SOME)
def test_the_life_of_an_application(start, store: Any, variant: Variant) -> None:
    """Made, found by key and by id, rotated, changed, deleted: the running node follows. Unknown keys get 4001."""
    one = created(store, "--settings", '{"max_connections": 2, "accept_client_events_from": "none"}')
    two = created(store, "--id", "shop", "--key", "shop-key")
    assert one["id"].isdigit() and len(one["secret"]) == 40 and two["key"] == "shop-key"
    listed = app(store, "list")
    assert "shop" in listed and one["id"] in listed and one["secret"] not in listed and two["secret"] not in listed
    node = start(settings(store), variant)
    # By key, from many connections at once, and by id.
    clients = [PusherClient(node, key="shop-key") for _ in range(8)]
    for client in clients:
        client.subscribe("c")
    assert trigger_of(node, two, "c").status == 200
    for client in clients:
        assert client.read_event("my-event")["channel"] == "c"
    # By id first: nobody has connected to it yet.
    assert api(node, "GET", "/channels", app=one["id"], key=one["key"], secret=one["secret"]).status == 200
    held = [PusherClient(node, key=one["key"]) for _ in range(2)]
    assert refusal(node, one["key"]) == 4004
    assert refusal(node, "nobody") == 4001
    assert api(node, "GET", "/channels", app="nobody", key="x", secret="x").status == 404
    # Names that no application can have are not even looked up.
    for odd in ("x" * 200, "a%20b"):
        assert refusal(node, odd) == 4001
    # Rotated: the old secret ends, the new one holds.
    rotated = json.loads(app(store, "rotate", "shop", "--json"))
    assert rotated["secret"] != two["secret"]
    wait_until(lambda: trigger_of(node, rotated, "c").status == 200, "the new secret holds")
    assert trigger_of(node, two, "c").status == 401
    assert all(client.is_alive() for client in held)
    # Deleted: connections are closed with 4003, later ones refused with 4001.
    app(store, "delete", "shop")
    for client in clients:
        frames, closed = client.drain_to_close()
        assert closed is not None and closed.code == 4003, frames
    assert refusal(node, "shop-key") == 4001
    app(store, "show", "shop", status=65)
    app(store, "delete", "shop", status=65)
    # Made anew under the name that was absent.
    again = created(store, "--id", "shop", "--key", "shop-key")
    wait_until(lambda: trigger_of(node, again, "c").status == 200, "it is found")
    PusherClient(node, key="shop-key").subscribe("c")
    app(store, "create", "--id", "shop", status=65)
    app(store, "create", "--id", "other", "--key", "shop-key", status=65)
    app(store, "create", "--settings", '{"max_connections": "x"}', status=65)
    for secret in (one["secret"], again["secret"], rotated["secret"], PASSWORD):
        assert secret not in node.output() and secret not in node.request("GET", "/metrics").body.decode()
    node.stop_clean()


def trigger_of(node: Node, application: dict[str, Any], channel: str):
    body = {"name": "my-event", "channel": channel, "data": "{}"}
    return api(node, "POST", "/events", body, app=application["id"], key=application["key"], secret=application["secret"])


@pytest.mark.parametrize("store", ["postgres", "redis"], indirect=True)
@pytest.mark.variants(SOME)
def test_a_store_that_stalls(start, store: Any, variant: Variant) -> None:
    """It accepts and does not answer: who asks for a new application is told to come back (4100, 503), in time; everybody else
    goes on; and when it is back, it is asked again."""
    known = created(store, "--id", "known")
    late = created(store, "--id", "late")
    node = start(settings(store, CLARION_APPS_LOOKUP_SECONDS="1"), variant)
    client = PusherClient(node, key=known["key"])
    client.subscribe("c")
    store.pause()
    try:
        started = time.monotonic()
        assert refusal(node, late["key"]) == 4100
        assert time.monotonic() - started < 20
        response = api(node, "GET", "/channels", app="late", key=late["key"], secret=late["secret"])
        assert response.status == 503, response
        for number in range(20):
            assert trigger_of(node, known, "c").status == 200
            assert client.read_event("my-event")["channel"] == "c"
        # Past the time after which it would have been asked again: what is known stays.
        time.sleep(2)
        assert trigger_of(node, known, "c").status == 200 and client.is_alive()
    finally:
        store.resume()
    wait_until(lambda: trigger_of(node, late, "c").status == 200, "it is found again", 60)
    metrics = node.metrics()
    assert metrics.families["clarion_application_store_failures_total"].samples[0][2] >= 1
    node.stop_clean()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_requests_wait_where_they_are(start, store: Any) -> None:
    """Bytes behind a request that waits are neither lost nor read out of order: pipelined requests, an upgrade with a frame behind
    it, a body in chunks."""
    one = created(store, "--id", "one", "--key", "one-key")
    node = start(settings(store, CLARION_APPS_CACHE_SECONDS="60"), SOME[0])
    with node.raw() as connection:
        upgrade = ("GET /app/one-key?protocol=7 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        connection.send(b"GET /up HTTP/1.1\r\nHost: h\r\n\r\nGET /apps/nobody/channels HTTP/1.1\r\nHost: h\r\n\r\n"
                        b"GET /up HTTP/1.1\r\nHost: h\r\n\r\n" + upgrade.encode())
        assert [connection.read_response().status for _ in range(3)] == [200, 404, 200]
        assert connection.read_response().status == 101
    body = dumps({"name": "e", "channel": "c", "data": "x"}).encode()
    node2 = start(settings(store), SOME[1])
    with node2.raw() as connection:
        target = signed_target("POST", "/apps/one/events", body, key=one["key"], secret=one["secret"])
        connection.send(f"POST {target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
                        + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\nGET /up HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.read_response().status == 200
        assert connection.read_response().status == 200


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_flood_of_unknown_keys(start, store: Any) -> None:
    """Every key another one: all are refused, nothing grows without bound, and known applications go on."""
    created(store, "--id", "one", "--key", "one-key")
    node = start(settings(store), SOME[0])
    client = PusherClient(node, key="one-key")
    for number in range(300):
        flood = PusherClient(node, key=f"flood-{number}", establish=False)
        assert json.loads(flood.read_json()["data"])["code"] in (4001, 4100)
        flood.close()
    assert client.is_alive()
    assert trigger(node, "c").status in (401, 404)
    node.stop_clean()
