"""pysher and the SDK of Pusher on private and presence channels."""

from __future__ import annotations

import json
import queue
from typing import Any

import pusher
import pysher
import pytest

from harness.client import PATIENCE, wait_until
from harness.node import APP_KEY, APP_SECRET, USUAL, Node

NUMERIC = USUAL.with_flags("--app-id", "4711")
"""The SDK of Python takes only ids of digits."""


class Person:
    """A pysher client who is somebody. Every event of a channel goes into a queue."""

    def __init__(self, node: Node, user: str, **info: Any) -> None:
        self.events: queue.Queue = queue.Queue()
        connected: queue.Queue = queue.Queue()
        self.client = pysher.Pusher(APP_KEY, secret=APP_SECRET, secure=False, custom_host="127.0.0.1", port=node.port, daemon=True,
                                    user_data={"user_id": user, "user_info": info}, reconnect_interval=1)
        self.client.connection.bind("pusher:connection_established", connected.put)
        self.client.connect()
        self.socket_id = json.loads(connected.get(timeout=PATIENCE))["socket_id"]

    def subscribe(self, name: str, auth: str | None = None) -> Any:
        channel = self.client.subscribe(name, auth)
        for event in ("pusher_internal:subscription_succeeded", "pusher_internal:member_added", "pusher_internal:member_removed", "news"):
            channel.bind(event, lambda data, event=event: self.events.put((event, json.loads(data))))
        return channel

    def next(self, event: str) -> Any:
        """The data of the next event, which has to be this one."""
        name, data = self.events.get(timeout=PATIENCE)
        assert name == event, (name, data)
        return data


@pytest.mark.settings(NUMERIC)
def test_pysher_is_present(node: Node) -> None:
    """Two people on a presence and a private channel; the SDK asks who is there and makes the auth of one of them."""
    application = pusher.Pusher(app_id="4711", key=APP_KEY, secret=APP_SECRET, host="127.0.0.1", port=node.port, ssl=False)
    ann, bob = Person(node, "ann", name="Ann"), Person(node, "bob", name="Zo\u00eb")
    ann.subscribe("presence-hall")
    wait_until(lambda: application.channel_info("presence-hall", ["user_count"]).get("user_count") == 1, "Ann is there")
    bob.subscribe("presence-hall")
    added = [ann.events.get(timeout=PATIENCE)]
    if added[0][0] == "pusher_internal:subscription_succeeded":  # pysher can bind only behind subscribing
        added = [ann.events.get(timeout=PATIENCE)]
    assert added == [("pusher_internal:member_added", {"user_id": "bob", "user_info": {"name": "Zo\u00eb"}})]
    assert [user["id"] for user in application.users_info("presence-hall")["users"]] == ["ann", "bob"]
    assert application.channels_info("presence-", ["user_count"]) == {"channels": {"presence-hall": {"user_count": 2}}}
    application.trigger("presence-hall", "news", {"n": 1})
    assert ann.next("news") == {"n": 1}
    auth = application.authenticate("private-office", bob.socket_id)["auth"]
    bob.subscribe("private-office", auth)
    wait_until(lambda: application.channel_info("private-office")["occupied"], "Bob is in his office")
    bob.client.disconnect()
    assert ann.next("pusher_internal:member_removed") == {"user_id": "bob"}
    ann.client.disconnect()
    wait_until(lambda: application.channels_info() == {"channels": {}}, "nobody is there")
