"""Presence channels with many members: everybody is on the roster once, and above `presence_quiet_members` nobody is told of each."""

from __future__ import annotations

import json

import pytest

from harness.client import wait_until
from harness.node import USUAL, Node
from harness.pusher import PusherClient, api, data_of, dumps
from harness.signing import channel_auth

LOUD = USUAL.with_environment(CLARION_APP_PRESENCE_MEMBERS_MAX="1000")
QUIET = LOUD.with_environment(CLARION_APP_PRESENCE_QUIET_MEMBERS="20")
CHANNEL = "presence-crowd"


def join(client: PusherClient, number: int) -> None:
    data = dumps({"user_id": f"u{number}"})
    client.event("pusher:subscribe", {"channel": CHANNEL, "auth": channel_auth(client.socket_id, CHANNEL, data), "channel_data": data})


def roster(node: Node) -> set[str]:
    return {user["id"] for user in api(node, "GET", f"/channels/{CHANNEL}/users").json().get("users", [])}


@pytest.mark.settings(LOUD)
def test_a_crowd_comes_and_goes(node: Node) -> None:
    """60 members: each hears of each who came behind it, once, and of each who left; the roster is right on every worker."""
    clients = [PusherClient(node) for _ in range(60)]
    for number, client in enumerate(clients):
        join(client, number)
    everybody = {f"u{n}" for n in range(60)}
    wait_until(lambda: roster(node) == everybody, "all are there")
    for client in clients:
        known = set(data_of(client.read_event("pusher_internal:subscription_succeeded"))["presence"]["ids"])
        while known != everybody:
            user = data_of(client.read_event("pusher_internal:member_added"))["user_id"]
            assert user not in known
            known.add(user)
        assert client.sync() == []
    for client in clients[1:]:
        client.event("pusher:unsubscribe", {"channel": CHANNEL})
    gone = [data_of(clients[0].read_event("pusher_internal:member_removed"))["user_id"] for _ in clients[1:]]
    assert sorted(gone) == sorted(everybody - {"u0"})
    assert roster(node) == {"u0"} and clients[0].sync() == []


@pytest.mark.settings(QUIET)
def test_a_large_crowd_is_quiet(node: Node) -> None:
    """Up to 20 members all is told; above it nothing, though newcomers get the whole roster; at 10 all get it again, and hear of changes."""
    before = node.metrics().value("untold_changes")
    clients = [PusherClient(node) for _ in range(60)]
    for number, client in enumerate(clients):
        join(client, number)
        welcome = data_of(client.read_event("pusher_internal:subscription_succeeded"))["presence"]
        assert welcome["count"] == number + 1 and set(welcome["hash"]) == {f"u{n}" for n in range(number + 1)}
    heard = [data_of(message)["user_id"] for message in clients[0].sync()]
    assert heard == [f"u{n}" for n in range(1, 20)]
    assert clients[30].sync() == []
    assert node.metrics().value("untold_changes") == before + 40
    for client in clients[10:]:
        client.event("pusher:unsubscribe", {"channel": CHANNEL})
        client.sync()
    few = {f"u{n}" for n in range(10)}
    for client in clients[:10]:
        message = client.read_json()
        while message["event"] == "pusher_internal:member_added":
            message = client.read_json()
        assert message["event"] == "pusher_internal:subscription_succeeded", message
        assert set(json.loads(message["data"])["presence"]["ids"]) == few and client.sync() == []
    assert roster(node) == few
    clients[9].event("pusher:unsubscribe", {"channel": CHANNEL})
    assert data_of(clients[0].read_event("pusher_internal:member_removed")) == {"user_id": "u9"}
    join(clients[9], 9)
    assert data_of(clients[0].read_event("pusher_internal:member_added"))["user_id"] == "u9"
    assert clients[0].sync() == []
