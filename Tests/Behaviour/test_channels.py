"""Private, presence and cache channels, users: what members, newcomers and watchers are told, on one worker and on four."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from harness.client import wait_until
from harness.node import APP_KEY, USUAL, Node
from harness.pusher import PusherClient, api, data_of, trigger
from harness.signing import channel_auth, user_auth

KEPT_SHORTLY = USUAL.with_environment(CLARION_LIMITS_CACHE_SECONDS="2")
SMALL = USUAL.with_environment(CLARION_APP_PRESENCE_MEMBERS_MAX="2", CLARION_APP_PRESENCE_MEMBER_BYTES_MAX="32",
                               CLARION_APP_CLIENT_EVENTS_PER_SECOND_MAX="5", CLARION_APP_SUBSCRIPTION_ERRORS="true")
COUNTED = USUAL.with_environment(CLARION_APP_SUBSCRIPTION_COUNTS="true")
TWO_APPS = USUAL.with_environment(REVERB_APP2_ID="app-2", REVERB_APP2_KEY="key-2", REVERB_APP2_SECRET="secret-2")
SECOND = {"key": "key-2", "secret": "secret-2"}


class Member(PusherClient):
    """A client that keeps the rosters it was told of, and judges every change."""

    def __init__(self, node: Node, secret: str | None = None, **options: Any) -> None:
        super().__init__(node, **options)
        self.key, self.secret = options.get("key", APP_KEY), secret
        self.rosters: dict[str, dict[str, Any]] = {}

    def ask(self, channel: str, user: str | None = None, info: Any = None, auth: str | None = None) -> None:
        """pusher:subscribe, signed."""
        data: dict[str, Any] = {"channel": channel}
        if user is not None:
            data["channel_data"] = json.dumps({"user_id": user} | ({} if info is None else {"user_info": info}))
        data["auth"] = auth if auth is not None else channel_auth(self.socket_id, channel, data.get("channel_data"), key=self.key, secret=self.secret)
        self.event("pusher:subscribe", data)

    def join(self, channel: str, user: str | None = None, info: Any = None) -> dict[str, Any]:
        """Subscribes and returns the data of the confirmation."""
        self.ask(channel, user, info)
        got = self.read_event("pusher_internal:subscription_succeeded")
        assert got["channel"] == channel and isinstance(got["data"], str)
        self.note(got)
        return json.loads(got["data"])

    def note(self, got: dict[str, Any]) -> None:
        """Takes a message into the rosters; a change that cannot be is a failure."""
        name, data = got.get("channel"), data_of(got)
        if got["event"] == "pusher_internal:subscription_succeeded" and "presence" in data:
            presence = data["presence"]
            assert presence["count"] == len(presence["ids"]) == len(set(presence["ids"])) == len(presence["hash"]), presence
            assert set(presence["ids"]) == set(presence["hash"])
            self.rosters[name] = presence["hash"]
        elif got["event"] == "pusher_internal:member_added":
            assert data["user_id"] not in self.rosters[name], (got, self.rosters)
            self.rosters[name][data["user_id"]] = data.get("user_info", {})
        elif got["event"] == "pusher_internal:member_removed":
            assert self.rosters[name].pop(data["user_id"], "nobody") != "nobody", (got, self.rosters)

    def catch_up(self) -> list[dict[str, Any]]:
        """Everything that came so far."""
        messages = self.sync()
        for message in messages:
            self.note(message)
        return messages

    def sign_in(self, user: str, **more: Any) -> None:
        data = json.dumps({"id": user} | more)
        self.event("pusher:signin", {"auth": user_auth(self.socket_id, data), "user_data": data})
        got = self.read_event("pusher:signin_success")
        assert json.loads(got["data"]["user_data"])["id"] == user


# presence


def test_the_newcomer_gets_the_roster_and_the_others_hear(node: Node) -> None:
    ann, bob = Member(node), Member(node)
    assert ann.join("presence-a", "1", {"name": "Ann"}) == {"presence": {"count": 1, "ids": ["1"], "hash": {"1": {"name": "Ann"}}}}
    roster = bob.join("presence-a", "2", {"name": "Zo\u00eb \"\\\u2603"})
    assert roster["presence"]["ids"] == ["1", "2"] and roster["presence"]["hash"]["2"] == {"name": "Zo\u00eb \"\\\u2603"}
    assert data_of(ann.read_event("pusher_internal:member_added")) == {"user_id": "2", "user_info": {"name": "Zo\u00eb \"\\\u2603"}}
    bob.event("pusher:unsubscribe", {"channel": "presence-a"})
    assert data_of(ann.read_event("pusher_internal:member_removed")) == {"user_id": "2"}
    assert bob.sync() == []


def test_3_14_fifty_tabs_are_one_member(node: Node) -> None:
    """3.14: one member, one member_added, one member_removed; counted once by the API."""
    watcher = Member(node)
    watcher.join("presence-tabs", "me")
    tabs = [Member(node) for _ in range(50)]
    for tab in tabs:
        assert tab.join("presence-tabs", "you", {"n": 1})["presence"]["count"] == 2
    watcher.note(watcher.read_event("pusher_internal:member_added"))
    assert watcher.catch_up() == []
    assert api(node, "GET", "/channels/presence-tabs", query={"info": "user_count"}).json() == {"occupied": True, "user_count": 2}
    assert api(node, "GET", "/channels/presence-tabs/users").json() == {"users": [{"id": "me"}, {"id": "you"}]}
    for tab in tabs[:49]:
        tab.close()
    wait_until(lambda: node.metrics().value("clarion_subscriptions") == 2, "49 tabs are gone")
    assert watcher.catch_up() == []
    tabs[49].close()
    assert data_of(watcher.read_event("pusher_internal:member_removed")) == {"user_id": "you"}


@pytest.mark.settings(SMALL)
def test_3_14_bounds_of_members(node: Node) -> None:
    """3.14: a full channel, a large user_info, a long id: the channel's own error, and nothing is left behind."""
    one, two, three = Member(node), Member(node), Member(node)
    one.join("presence-full", "1")
    two.join("presence-full", "2")
    three.ask("presence-full", "3")
    got = three.read_event("pusher:subscription_error")
    assert got["channel"] == "presence-full" and got["data"]["type"] == "LimitReached" and got["data"]["status"] == 4100
    three.join("presence-other", "3")
    third = Member(node)
    third.join("presence-full", "2")
    wait_until(lambda: (one.catch_up(), one.rosters["presence-full"].keys() == {"1", "2"})[1], "two are there")
    three.ask("presence-large", "1", "x" * 31)
    assert three.read_event("pusher:subscription_error")["data"]["status"] == 4301
    three.ask("presence-large", "x" * 129)
    assert three.read_event("pusher:subscription_error")["data"]["status"] == 4301
    three.join("presence-large", "x" * 128, "x" * 30)
    two.close()
    third.close()
    wait_until(lambda: (one.catch_up(), one.rosters["presence-full"].keys() == {"1"})[1], "the second is gone")
    three.join("presence-full", "3")


def test_3_14_joining_is_bounded(node: Node) -> None:
    """3.14: a connection that joins and leaves all the time is told off; the others hear of what was let in only."""
    watcher, hasty = Member(node), Member(node)
    watcher.join("presence-b", "w")
    for _ in range(300):
        hasty.ask("presence-b", "h")
        hasty.event("pusher:unsubscribe", {"channel": "presence-b"})
    errors = [m for m in hasty.sync() if m["event"] == "pusher:error"]
    assert errors and all(data_of(e)["code"] == 4301 for e in errors)
    wait_until(lambda: (watcher.catch_up(), watcher.rosters["presence-b"].keys() == {"w"})[1], "nobody stayed")


@pytest.mark.parametrize("data", ["{}", '{"user_id":""}', '{"user_id":true}', '{"user_id":null}', '{"user_id":["1"]}', '{"user_info":{}}', "5", "{user_id:1}", ""])
def test_3_14_ids_of_another_type(node: Node, data: str) -> None:
    """3.14: a rightly signed channel_data without a usable id."""
    client = Member(node)
    client.event("pusher:subscribe", {"channel": "presence-x", "channel_data": data, "auth": channel_auth(client.socket_id, "presence-x", data)})
    got = client.read_event("pusher:error")
    assert data_of(got)["code"] in (4009, 4200)
    assert api(node, "GET", "/channels").json() == {"channels": {}}


@pytest.mark.parametrize("seed", range(3))
def test_3_14_rosters_are_right_whatever_comes_and_goes(node: Node, seed: int) -> None:
    """3.14: random joins, leaves and breaks; every member's roster, told and changed, is what the API says."""
    dice = random.Random(seed)
    members: list[Member] = []
    users: dict[int, str] = {}
    for _ in range(150):
        action = dice.random()
        if len(members) < 3 or (action < 0.45 and len(members) < 24):
            member = Member(node)
            users[id(member)] = f"u{dice.randrange(8)}"
            member.ask("presence-churn", users[id(member)], {"n": dice.randrange(100)})
            members.append(member)
        elif action < 0.6:
            member = members.pop(dice.randrange(len(members)))
            member.event("pusher:unsubscribe", {"channel": "presence-churn"})
            member.close()
        elif action < 0.8:
            members.pop(dice.randrange(len(members))).reset()
        else:
            dice.choice(members).event("client-wave", {}, channel="presence-churn")
    wanted = {users[id(member)] for member in members}

    def told() -> set[str]:
        return {user["id"] for user in api(node, "GET", "/channels/presence-churn/users").json()["users"]}

    wait_until(lambda: told() == wanted, "the API knows who is there")
    for member in members:
        wait_until(lambda: (member.catch_up(), member.rosters["presence-churn"].keys() == wanted)[1], "every member knows")


def test_presence_of_two_channels_and_leaving_at_once(node: Node) -> None:
    """Subscribe and unsubscribe in one write: the others hear both, or nothing; nobody stays."""
    watcher, hasty = Member(node), Member(node)
    watcher.join("presence-h", "w")
    for _ in range(30):
        hasty.ask("presence-h", "h")
        hasty.event("pusher:unsubscribe", {"channel": "presence-h"})
    hasty.sync()
    wait_until(lambda: (watcher.catch_up(), watcher.rosters["presence-h"].keys() == {"w"})[1], "nobody stayed")
    assert api(node, "GET", "/channels/presence-h", query={"info": "user_count"}).json()["user_count"] == 1


def test_client_events_carry_the_user(node: Node) -> None:
    """The id is that of the subscription, whatever the message says; the sender gets nothing."""
    ann, bob = Member(node), Member(node)
    ann.join("presence-c", "a\"nn")
    bob.join("presence-c", "bob")
    ann.read_event("pusher_internal:member_added")
    bob.event("client-hi", {"a": 1}, channel="presence-c", user_id="forged")
    assert ann.read_json() == {"event": "client-hi", "data": {"a": 1}, "channel": "presence-c", "user_id": "bob"}
    ann.event("client-hi", {"a": 2}, channel="presence-c")
    assert bob.read_json()["user_id"] == "a\"nn"
    assert ann.sync() == []


# who may do what


TABLE_3_4 = [("room", False, None), ("private-encrypted-room", True, 4301), ("private-encrypted-cache-room", True, 4301), ("private-not-on-it", False, 4009),
             ("presence-not-on-it", False, 4009), ("#server-to-user-1", False, 4009)]


@pytest.mark.parametrize(("channel", "joins", "code"), TABLE_3_4)
@pytest.mark.settings(KEPT_SHORTLY)
def test_3_4_client_events_refused(node: Node, channel: str, joins: bool, code: int | None) -> None:
    """3.4: on encrypted channels and the server's own, on channels that one is not on."""
    client = Member(node)
    if joins:
        client.join(channel)
        client.catch_up()
    client.event("client-x", {}, channel=channel)
    client.read_error(code or 4009)


@pytest.mark.settings(SMALL)
def test_3_4_client_events_are_bounded(node: Node) -> None:
    """3.4: so many a second; more are refused with 4301, and the connection stays."""
    one, two = Member(node), Member(node)
    for client in (one, two):
        client.join("private-r")
    for number in range(20):
        one.event("client-x", {"n": number}, channel="private-r")
    errors = [m for m in one.sync() if m["event"] == "pusher:error"]
    assert errors and all(data_of(e)["code"] == 4301 for e in errors)
    wait_until(lambda: len(two.sync()) > 0, "some arrive")


@pytest.mark.parametrize("name", ["Private-x", " private-x", "private-x%20", "private-\u0440", "private-x\u0000", "", "x" * 201, "private-" + "x" * 193, "a b", "a/b", "#", "##x"])
def test_3_5_names_that_are_none(node: Node, name: str) -> None:
    """3.5: refused before anything is looked up; only "Private-x" is a (public) name."""
    client = Member(node)
    client.event("pusher:subscribe", {"channel": name, "auth": channel_auth(client.socket_id, name)})
    if name == "Private-x":
        assert client.read_json()["event"] == "pusher_internal:subscription_succeeded"
    else:
        client.read_error(4200)


def test_3_6_every_byte_of_a_signature_counts(node: Node) -> None:
    """3.6: each changed character, other case, cut, empty, another channel's, another socket's: 4009, and the socket stays."""
    client, other = Member(node), Member(node)
    good = channel_auth(client.socket_id, "private-s")
    bad = [good[:i] + ("0" if good[i] != "0" else "1") + good[i + 1:] for i in range(len(good))]
    bad += ["", good[:-1], good + "0", good.upper(), good.split(":")[1], good + " ", " " + good, ":" + good.split(":")[1],
            channel_auth(client.socket_id, "private-t"), channel_auth(other.socket_id, "private-s"), channel_auth(client.socket_id, "private-s", "")]
    for auth in bad:
        client.event("pusher:subscribe", {"channel": "private-s", "auth": auth})
    for _ in bad:
        client.read_error(4009)
    client.join("private-s")


def test_3_6_channel_data_is_signed_byte_for_byte(node: Node) -> None:
    """3.6: a byte more, a byte less, the same JSON written otherwise."""
    client = Member(node)
    data = '{"user_id":"1","user_info":{"a":1}}'
    auth = channel_auth(client.socket_id, "presence-s", data)
    for changed in (data + " ", data[:-1], data.replace('"1"', '"2"'), '{"user_info":{"a":1},"user_id":"1"}', data.replace(":", ": "), None):
        client.event("pusher:subscribe", {"channel": "presence-s", "auth": auth} | ({} if changed is None else {"channel_data": changed}))
        client.read_error(4009)
    client.event("pusher:subscribe", {"channel": "presence-s", "auth": auth, "channel_data": data})
    client.read_event("pusher_internal:subscription_succeeded")


@pytest.mark.parametrize(("channel", "data"), [("private-a", "b:c"), ("private-a", ":user::x"), ("presence-a", '{"user_id":"1"}:x')])
def test_3_7_joined_texts_are_not_taken_apart(node: Node, channel: str, data: str) -> None:
    """3.7: what is signed for one purpose is good for no other, wherever the colons are."""
    client = Member(node)
    for auth in (user_auth(client.socket_id, f"{channel}:{data}"), channel_auth(client.socket_id, f"{channel}:{data}", None)):
        client.event("pusher:subscribe", {"channel": channel, "auth": auth})
        client.read_error(4009)
    user = '{"id":"1"}'
    client.event("pusher:signin", {"auth": channel_auth(client.socket_id, ":user:", user)[:-1] + "x", "user_data": user})
    client.read_error(4009)


def test_3_8_an_auth_is_good_for_one_socket(node: Node) -> None:
    """3.8: replayed on another connection, or on the next one: refused."""
    client = Member(node)
    auth = channel_auth(client.socket_id, "private-r")
    client.join("private-r")
    for _ in range(2):
        other = Member(node)
        other.ask("private-r", auth=auth)
        other.read_error(4009)


# cache


@pytest.mark.settings(KEPT_SHORTLY)
@pytest.mark.parametrize("channel", ["cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"])
def test_the_last_event_comes_right_behind_the_confirmation(node: Node, channel: str) -> None:
    user = "1" if channel.startswith("presence") else None
    first, second = Member(node), Member(node)
    first.join(channel, user)
    assert first.read_json() == {"event": "pusher:cache_miss", "channel": channel}
    trigger(node, channel, "one", data="1")
    trigger(node, channel, "two", data="2", socket_id=first.socket_id)
    assert first.read_json()["event"] == "one"
    if "encrypted" not in channel:
        first.event("client-x", {}, channel=channel)
        first.sync()
    second.join(channel, user)
    assert second.read_json() == {"event": "two", "data": "2", "channel": channel}
    trigger(node, channel, "three", data="3")
    assert second.read_json()["event"] == "three" and first.read_json()["event"] == "three"
    answer = api(node, "GET", f"/channels/{channel}", query={"info": "cache"}).json()
    assert answer["occupied"] and answer["cache"]["data"] == "3" and 0 <= answer["cache"]["ttl"] <= 2


@pytest.mark.settings(KEPT_SHORTLY)
def test_the_last_event_is_kept_for_its_time(node: Node) -> None:
    """Also when nobody is there; then it is forgotten, memory and all."""
    assert trigger(node, "cache-alone", "kept", data="x").status == 200
    client = Member(node)
    client.join("cache-alone")
    assert client.read_json()["event"] == "kept"
    client.close()
    again = Member(node)

    def is_missed() -> bool:
        again.join("cache-alone")
        missed = again.read_json()["event"] == "pusher:cache_miss"
        again.event("pusher:unsubscribe", {"channel": "cache-alone"})
        return missed

    wait_until(is_missed, "its time is over")
    wait_until(lambda: node.metrics().value("clarion_kept_messages") == 0, "it is forgotten")


# how many


@pytest.mark.settings(COUNTED)
def test_subscription_counts(node: Node) -> None:
    one, two = Member(node), Member(node)
    one.event("pusher:subscribe", {"channel": "counted"})
    assert one.read_json()["event"] == "pusher_internal:subscription_succeeded"
    assert one.read_json() == {"event": "pusher_internal:subscription_count", "data": '{"subscription_count":1}', "channel": "counted"}
    two.event("pusher:subscribe", {"channel": "counted"})
    assert data_of(one.read_event("pusher_internal:subscription_count")) == {"subscription_count": 2}
    two.close()
    assert data_of(one.read_event("pusher_internal:subscription_count")) == {"subscription_count": 1}
    one.join("presence-counted", "1")
    assert one.sync() == []


# users


def test_signing_in(node: Node) -> None:
    client = Member(node)
    data = '{"id":"12345","user_info":{"name":"Ann \\"A\\""}}'
    client.event("pusher:signin", {"auth": user_auth(client.socket_id, data), "user_data": data})
    assert client.read_json() == {"event": "pusher:signin_success", "data": {"user_data": data}}
    client.sign_in("12345")
    other = '{"id":"6"}'
    client.event("pusher:signin", {"auth": user_auth(client.socket_id, other), "user_data": other})
    client.read_error(4009)


@pytest.mark.parametrize("data", ["{}", '{"id":""}', '{"id":5}', '{"id":null}', "5", "rubbish"])
def test_3_2_user_data_without_an_id(node: Node, data: str) -> None:
    """3.2: rightly signed, and no user all the same."""
    client = Member(node)
    client.event("pusher:signin", {"auth": user_auth(client.socket_id, data), "user_data": data})
    assert data_of(client.read_event("pusher:error"))["code"] in (4009, 4200)
    client.sign_in("1")


@pytest.mark.parametrize("data", [None, "x", 5, [], {}, {"user_data": 5, "auth": "x"}, {"user_data": '{"id":"1"}'}, {"user_data": '{"id":"1"}', "auth": 5},
                                  {"user_data": '{"id":"1"}', "auth": "app-key:00"}, {"auth": "x"}])
def test_3_2_signin_of_wrong_types(node: Node, data: Any) -> None:
    """3.2: an error, and the connection stays."""
    client = Member(node)
    client.event("pusher:signin", data)
    assert data_of(client.read_event("pusher:error"))["code"] in (4009, 4200)
    client.sign_in("1")


def test_events_to_one_user(node: Node) -> None:
    """Only who is signed in as the user may listen; all its connections get the event."""
    tabs, stranger = [Member(node) for _ in range(3)], Member(node)
    for tab in tabs:
        tab.event("pusher:subscribe", {"auth": "", "channel": "#server-to-user-7"})
        tab.read_error(4009)
        tab.sign_in("7")
        tab.event("pusher:subscribe", {"auth": "", "channel": "#server-to-user-7"})
        tab.read_event("pusher_internal:subscription_succeeded")
    stranger.sign_in("8")
    for channel in ("#server-to-user-7", "#server-to-user-", "#server-to-user-77"):
        stranger.event("pusher:subscribe", {"auth": "", "channel": channel})
        stranger.read_error(4009)
    assert api(node, "POST", "/events", {"name": "hello", "channels": ["#server-to-user-7"], "data": "{}"}).status == 200
    for tab in tabs:
        assert tab.read_json() == {"event": "hello", "data": "{}", "channel": "#server-to-user-7"}
    assert stranger.sync() == []


def test_a_signed_in_user_joins_without_channel_data(node: Node) -> None:
    client = Member(node)
    client.ask("presence-own")
    client.read_error(4009)
    client.sign_in("me", user_info={"name": "Me"})
    assert client.join("presence-own") == {"presence": {"count": 1, "ids": ["me"], "hash": {"me": {"name": "Me"}}}}


def watchlist(message: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The events of a pusher_internal:watchlist_events."""
    assert message["event"] == "pusher_internal:watchlist_events"
    return [(event["name"], sorted(event["user_ids"])) for event in data_of(message)["events"]]


def test_watchlists(node: Node) -> None:
    """Who is online first, in one message, then every change: the first connection of a user, and the last."""
    here = [Member(node) for _ in range(2)]
    for client, user in zip(here, ("a", "b")):
        client.sign_in(user)
    watcher = Member(node)
    watcher.sign_in("w", watchlist=["a", "b", "c", "a", "d"])
    assert watchlist(watcher.read_json()) == [("online", ["a", "b"])]
    late = [Member(node) for _ in range(3)]
    for client in late:
        client.sign_in("c")
    assert watchlist(watcher.read_json()) == [("online", ["c"])]
    for client in late[:2]:
        client.close()
    here[0].close()
    assert watchlist(watcher.read_json()) == [("offline", ["a"])]
    late[2].reset()
    assert watchlist(watcher.read_json()) == [("offline", ["c"])]
    assert watcher.sync() == []


def test_a_watchlist_has_a_bound(node: Node) -> None:
    watched = Member(node)
    watched.sign_in("u99")
    beyond = Member(node)
    beyond.sign_in("u100")
    watcher = Member(node)
    watcher.sign_in("w", watchlist=[f"u{n}" for n in range(101)])
    watcher.read_error(4302)
    assert watchlist(watcher.read_json()) == [("online", ["u99"])]
    beyond.close()
    assert watcher.sync() == []


def test_3_8_terminating_a_user(node: Node) -> None:
    """3.8: signed in, or a member: all its connections are closed with 4009, on every worker; others stay."""
    signed, members = [Member(node) for _ in range(6)], [Member(node) for _ in range(6)]
    stranger = Member(node)
    for client in signed:
        client.sign_in("bad")
    for client in members:
        client.join("presence-t", "bad")
    stranger.join("presence-t", "good")
    started = time.monotonic()
    answer = api(node, "POST", "/users/bad/terminate_connections", {})
    assert (answer.status, answer.json()) == (200, {})
    for client in signed + members:
        _, got = client.drain_to_close()
        assert got is not None and got.code == 4009
    assert time.monotonic() - started < 30
    wait_until(lambda: (stranger.catch_up(), stranger.rosters["presence-t"].keys() == {"good"})[1], "the member is gone")


# tenants


@pytest.mark.settings(TWO_APPS)
def test_3_19_applications_do_not_see_each_other(node: Node) -> None:
    """3.19: keys, signatures, members, users, events, questions and terminations of one application mean nothing to the other."""
    ann, bob = Member(node), Member(node, **SECOND)
    ann.join("presence-t", "1")
    assert bob.join("presence-t", "1")["presence"]["count"] == 1
    for auth in (channel_auth(bob.socket_id, "private-t"), channel_auth(bob.socket_id, "private-t", key="key-2")):
        bob.ask("private-t", auth=auth)
        bob.read_error(4009)
    data = '{"id":"1"}'
    bob.event("pusher:signin", {"auth": user_auth(bob.socket_id, data), "user_data": data})
    bob.read_error(4009)
    bob.event("client-x", {}, channel="presence-t")
    ann.sign_in("1")
    for path, body in (("/channels", None), ("/channels/presence-t", None), ("/channels/presence-t/users", None), ("/connections", None),
                       ("/events", {"name": "e", "channel": "presence-t", "data": "x"}), ("/batch_events", {"batch": []}),
                       ("/users/1/terminate_connections", {})):
        method = "GET" if body is None else "POST"
        for mixed in ({"key": "key-2"}, {"secret": "secret-2"}, SECOND):
            assert api(node, method, path, body, **mixed).status == 401, (path, mixed)
        assert api(node, method, path, body, app="app-3").status == 404
    assert api(node, "POST", "/events", {"name": "e", "channel": "presence-t", "data": "x", "socket_id": ann.socket_id}, app="app-2", **SECOND).status == 200
    assert bob.read_json()["event"] == "e"
    assert api(node, "POST", "/users/1/terminate_connections", {}, app="app-2", **SECOND).status == 200
    bob.expect_close(4009)
    assert ann.sync() == []
