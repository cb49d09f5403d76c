"""The Pusher protocol on /app/{key}: establishing, public channels, client events, pings, errors."""

from __future__ import annotations

import json
import re
import time

import pytest

from harness import frames
from harness.client import wait_until
from harness.frames import CONTINUATION, TEXT, frame
from harness.node import APP_KEY, USUAL, Node
from harness.pusher import PusherClient, data_of, trigger

EVERYONE = USUAL.with_flags("--accept-client-events-from", "all")
NOBODY = USUAL.with_flags("--accept-client-events-from", "none")
TWO_APPS = USUAL.with_environment(REVERB_APP2_ID="app-2", REVERB_APP2_KEY="key-2", REVERB_APP2_SECRET="secret-2")
SMALL = USUAL.with_environment(REVERB_APP_MAX_MESSAGE_SIZE="200", REVERB_APP_MAX_CONNECTIONS="3")
RATED = USUAL.with_environment(REVERB_APP_RATE_LIMITING_ENABLED="true", REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS="3", REVERB_APP_RATE_LIMIT_DECAY_SECONDS="60")
RATED_END = RATED.with_environment(REVERB_APP_RATE_LIMIT_TERMINATE="true")
ORIGINS = USUAL.with_environment(REVERB_APP_ALLOWED_ORIGINS="good.example,*.wild.example")
LIVELY = USUAL.with_environment(REVERB_APP_PING_INTERVAL="1", REVERB_APP_ACTIVITY_TIMEOUT="17")


def test_established(node: Node) -> None:
    client = PusherClient(node)
    assert re.fullmatch(r"\d+\.\d+", client.socket_id)
    assert client.activity_timeout == 30
    others = [PusherClient(node) for _ in range(50)]
    assert len({c.socket_id for c in [client, *others]}) == 51
    for other in others:
        other.close()
    client.say_goodbye()


def test_subscribe_and_receive(node: Node) -> None:
    client = PusherClient(node)
    client.event("pusher:subscribe", {"auth": "", "channel": "my-channel"})
    assert client.read_json() == {"event": "pusher_internal:subscription_succeeded", "data": "{}", "channel": "my-channel"}
    response = trigger(node, "my-channel")
    assert (response.status, response.json()) == (200, {})
    assert client.read_json() == {"event": "my-event", "data": '{"hello":"world"}', "channel": "my-channel"}


DATA = ["", "plain", '{"a":1}', "Zo\u00eb \u2603 \U0001f600", "a\"b\\c/d\u0001\n\u2028", "x" * 9000, '"quoted"', "null"]


def test_data_comes_as_it_was_given(node: Node) -> None:
    client = PusherClient(node)
    client.subscribe("my-channel")
    for data in DATA:
        if data:
            assert trigger(node, "my-channel", "ev\u00e9nt \"x\"", data=data).status == 200
            assert client.read_json() == {"event": "ev\u00e9nt \"x\"", "data": data, "channel": "my-channel"}


def test_unsubscribe(node: Node) -> None:
    """No answer, and nothing more comes; subscribing again works."""
    client = PusherClient(node)
    client.subscribe("a", "b")
    client.event("pusher:unsubscribe", {"channel": "a"})
    client.event("pusher:unsubscribe", {"channel": "never"})
    assert client.sync() == []
    trigger(node, "a")
    trigger(node, "b")
    assert client.read_json()["channel"] == "b"
    client.subscribe("a")
    trigger(node, "a")
    assert client.read_json()["channel"] == "a"


def test_subscribing_twice(node: Node) -> None:
    """Confirmed again, and still one subscription."""
    client = PusherClient(node)
    client.subscribe("a")
    client.subscribe("a")
    trigger(node, "a")
    assert client.read_json()["event"] == "my-event"
    assert client.sync() == []


def test_ping(node: Node) -> None:
    client = PusherClient(node)
    for message in ('{"event":"pusher:ping"}', '{"event":"pusher:ping","data":{}}', '{"event":"pusher:ping","data":""}', '{"event":"pusher:ping","data":"{}"}',
                    '{ "data" : { } , "event" : "pusher:ping" }', '{"event":"pusher\\u003aping","data":null}'):
        client.text(message)
        got = client.read_event("pusher:pong")
        assert set(got) <= {"event", "data"} and got.get("data") in (None, "", {}, "{}")
    client.text('{"event":"pusher:pong","data":{}}')
    assert client.sync() == []


BAD_MESSAGES = ["rubbish", "", "[]", "5", "null", "\"pusher:ping\"", "{}", '{"data":{}}', '{"event":5}', '{"event":null}', '{"event":["pusher:ping"]}',
                '{"event":"pusher:nonsense"}', '{"event":"pusher:signout"}', '{"event":"pusher:ping"', '{"event":"pusher:ping"}}', '{"event":"pusher_internal:x"}',
                '{"event":"pusher:subscribe"}', '{"event":"pusher:subscribe","data":"x"}', '{"event":"pusher:subscribe","data":{}}',
                '{"event":"pusher:subscribe","data":{"channel":5}}', '{"event":"pusher:subscribe","data":{"channel":null}}',
                '{"event":"pusher:subscribe","data":[]}', '{"event":"pusher:connection_established","data":"{}"}']


@pytest.mark.parametrize("text", BAD_MESSAGES)
def test_bad_messages(node: Node, text: str) -> None:
    """An error or silence; the connection stays, and works."""
    client = PusherClient(node)
    client.text(text)
    for got in client.sync():
        assert got["event"] == "pusher:error" and data_of(got)["code"] in (4200, 4009), got
    client.subscribe("still-good")
    client.close()


def test_rubbish_is_answered(node: Node) -> None:
    """The error that Reverb gives: 4200, and the socket stays."""
    client = PusherClient(node)
    for text in ("rubbish", "[]", '{"event":5}', '{"event":"pusher:nonsense"}'):
        client.text(text)
        client.read_error(4200)


@pytest.mark.parametrize("channel", ["", "a" * 201, "with space", "sl/ash", "Zo\u00eb", "new\nline", "nul\0", "a#b", "a:b", "a\"b"])
def test_bad_channel_names(node: Node, channel: str) -> None:
    """3.5: refused before anything is looked up; nothing is created."""
    channels = node.metrics().value("channels")
    client = PusherClient(node)
    client.event("pusher:subscribe", {"channel": channel})
    got = client.sync()
    assert got and all(g["event"] == "pusher:error" for g in got), got
    assert node.metrics().value("channels") <= channels


@pytest.mark.parametrize("channel", ["a", "a" * 164, "A-Za-z0-9_-=@,.;", "Private-x", "presencefoo", "cache"])
def test_good_channel_names(node: Node, channel: str) -> None:
    client = PusherClient(node)
    client.subscribe(channel)
    assert trigger(node, channel).status == 200
    assert client.read_json()["channel"] == channel
    client.close()


@pytest.mark.parametrize("channel", ["private-foo", "presence-foo", "private-encrypted-foo", "private-cache-foo", "presence-cache-foo",
                                     "private-encrypted-cache-foo"])
def test_guarded_channels_are_never_open(node: Node, channel: str) -> None:
    """3.5: without a right signature no private kind gives a subscription or an event."""
    client = PusherClient(node)
    for auth in (None, "", f"{APP_KEY}:00", APP_KEY, ":", f"{APP_KEY}:" + "0" * 64, 5):
        client.event("pusher:subscribe", {"channel": channel} | ({} if auth is None else {"auth": auth}))
    got = client.sync()
    assert len(got) == 7 and all(g["event"] in ("pusher:error", "pusher:subscription_error") for g in got), got
    assert trigger(node, channel, data="secret").status == 200
    assert client.sync() == []


def test_limit_of_channels(node: Node) -> None:
    """100 channels for a connection; the 101st is refused with an error."""
    client = PusherClient(node)
    client.subscribe(*(f"c{n}" for n in range(100)))
    client.event("pusher:subscribe", {"channel": "one-more"})
    got = client.sync()
    assert [g["event"] for g in got] == ["pusher:error"], got
    trigger(node, ["c0", "c99", "one-more"])
    assert {client.read_json()["channel"], client.read_json()["channel"]} == {"c0", "c99"}
    client.event("pusher:unsubscribe", {"channel": "c5"})
    client.subscribe("one-more")


def test_fragments_and_pings(node: Node) -> None:
    """A message in fragments with a ping between them."""
    client = PusherClient(node)
    text = b'{"event":"pusher:subscribe","data":{"channel":"pieces"}}'
    client.send(frame(TEXT, text[:10], fin=False) + frame(frames.PING, b"now") + frame(CONTINUATION, text[10:20], fin=False)
                + frame(CONTINUATION, text[20:]))
    client.expect(frames.PONG, b"now")
    client.read_event("pusher_internal:subscription_succeeded")


# client events

def two_members(node: Node, channel: str = "room") -> tuple[PusherClient, PusherClient]:
    """Two clients on one channel."""
    clients = PusherClient(node), PusherClient(node)
    for client in clients:
        client.subscribe(channel)
    return clients


def test_client_events_of_members(node: Node) -> None:
    """Delivered to the others of the channel, never to the sender; data as it was given."""
    one, two = two_members(node)
    for data in ({"a": 1}, {"nested": {"b": [1, 2, None]}}, [], {}, '{"json":"string"}', None):
        one.event("client-typing", data, channel="room")
        got = two.read_json()
        assert got["event"] == "client-typing" and got["channel"] == "room", got
        given = json.loads(data) if isinstance(data, str) else data
        assert data_of(got) == given, got
        assert "user_id" not in got
    assert one.sync() == []


def test_client_events_of_strangers(node: Node) -> None:
    """`members`: one who is not on the channel gets 4009, and nobody gets the event."""
    member, stranger = PusherClient(node), PusherClient(node)
    member.subscribe("room")
    stranger.event("client-typing", {"a": 1}, channel="room")
    stranger.read_error(4009)
    stranger.event("client-typing", {"a": 1}, channel="no-such-room")
    stranger.read_error(4009)
    assert member.sync() == []
    stranger.subscribe("room")
    stranger.event("client-typing", {"a": 1}, channel="room")
    assert member.read_json()["event"] == "client-typing"
    stranger.event("pusher:unsubscribe", {"channel": "room"})
    stranger.event("client-typing", {"a": 2}, channel="room")
    stranger.read_error(4009)
    assert member.sync() == []


@pytest.mark.settings(EVERYONE)
def test_client_events_of_everyone(node: Node) -> None:
    member, stranger = PusherClient(node), PusherClient(node)
    member.subscribe("room")
    stranger.event("client-typing", {"a": 1}, channel="room")
    got = member.read_json()
    assert (got["event"], got["channel"], data_of(got)) == ("client-typing", "room", {"a": 1})
    member.event("client-typing", {"a": 2}, channel="room")
    assert member.sync() == [] and stranger.sync() == []


@pytest.mark.settings(NOBODY)
def test_client_events_of_nobody(node: Node) -> None:
    one, two = two_members(node)
    one.event("client-typing", {"a": 1}, channel="room")
    one.read_error(4301)
    assert two.sync() == []


@pytest.mark.parametrize("event", ["pusher:error", "pusher_internal:subscription_succeeded", "pusher:connection_established", "my-event", "client",
                                   "Client-x", " client-x", "clientx"])
@pytest.mark.settings(EVERYONE)
def test_forged_events(node: Node, event: str) -> None:
    """3.3: only names that begin with client- pass from client to client."""
    one, two = two_members(node, "forge")
    one.event(event, {"code": 4001, "message": "forged"}, channel="forge")
    for got in one.sync():
        assert got["event"] == "pusher:error"
    assert two.sync() == []
    one.close()
    two.close()


@pytest.mark.settings(EVERYONE)
def test_forged_user(node: Node) -> None:
    """A user id in a client event of a public channel is not the sender's to give."""
    one, two = two_members(node, "forge")
    one.event("client-x", {"a": 1}, channel="forge", user_id="7", socket_id="1.1")
    got = two.read_json()
    assert "user_id" not in got and "socket_id" not in got, got


@pytest.mark.parametrize("channel", [None, 5, "", "sp ace", ["a"], {"a": 1}])
@pytest.mark.settings(EVERYONE)
def test_client_events_without_a_channel(node: Node, channel) -> None:
    client = PusherClient(node)
    client.json({"event": "client-x", "data": {}} | ({} if channel is None else {"channel": channel}))
    for got in client.sync():
        assert got["event"] == "pusher:error", got
    client.close()


@pytest.mark.settings(EVERYONE)
def test_client_events_in_order(node: Node) -> None:
    """What one sends arrives in order, over channels too; what two send, in one order at all."""
    one, two = PusherClient(node), PusherClient(node)
    names = [f"order{n}" for n in range(8)]
    listeners = [PusherClient(node) for _ in range(4)]
    for listener in listeners:
        listener.subscribe(*names)
    for number in range(300):
        one.event("client-x", {"p": 1, "n": number}, channel=names[number % 8])
        two.event("client-x", {"p": 2, "n": number}, channel=names[number % 3])
    per_channel: list[dict[str, list]] = []
    for listener in listeners:
        got = [listener.read_json() for _ in range(600)]
        values = [(data_of(g)["p"], data_of(g)["n"], g["channel"]) for g in got]
        for publisher in (1, 2):
            assert [n for p, n, _ in values if p == publisher] == list(range(300))
        per_channel.append({name: [(p, n) for p, n, c in values if c == name] for name in names})
    assert all(p == per_channel[0] for p in per_channel)


# limits, tenants, liveness

@pytest.mark.settings(SMALL)
def test_message_size(node: Node) -> None:
    client = PusherClient(node)
    start = '{"event":"pusher:ping","data":"'
    client.text(start + "x" * (200 - len(start) - 2) + '"}')
    client.read_event("pusher:pong")
    client.text(start + "x" * (201 - len(start) - 2) + '"}')
    client.expect_close(1009)


@pytest.mark.settings(SMALL)
def test_connection_quota(node: Node) -> None:
    """4004 beyond the quota; a place that is left is free again. 4.15: also after many aborts."""
    wait_until(lambda: node.metrics().value("connections", "open") <= 1, "nobody is left of the test before")
    refused = node.metrics().closes("applicationFull")
    clients = [PusherClient(node) for _ in range(3)]
    for client in clients:
        client.subscribe("c")
    extra = PusherClient(node, establish=False)
    extra.read_error(4004)
    extra.expect_close(4004)
    wait_until(lambda: node.metrics().closes("applicationFull") == refused + 1, "it is counted")
    clients.pop().reset()

    def place() -> PusherClient | None:
        client = PusherClient(node, establish=False)
        if client.read_json()["event"] == "pusher:connection_established":
            return client
        client.close()
        return None

    clients.append(wait_until(place, "the place is free again"))
    for client in clients:
        client.reset()
    for _ in range(100):
        candidate = wait_until(place, "a place is free")
        candidate.reset()


@pytest.mark.settings(RATED)
def test_rate_limit(node: Node) -> None:
    client = PusherClient(node)
    for _ in range(3):
        client.event("pusher:ping", {})
        client.read_event("pusher:pong")
    client.event("pusher:ping", {})
    client.read_error(4301)
    assert client.is_alive()


@pytest.mark.settings(RATED_END)
def test_rate_limit_that_ends(node: Node) -> None:
    count = node.metrics().closes("rateLimited")
    client = PusherClient(node)
    for _ in range(4):
        client.event("pusher:ping", {})
    before, closed = client.drain_to_close()
    assert b"4301" in before[-1].payload
    assert closed is not None and closed.code is not None and (4100 <= closed.code < 4400 or closed.code == 1008), closed
    client.close()
    wait_until(lambda: node.metrics().closes("rateLimited") == count + 1, "it is counted")


@pytest.mark.settings(ORIGINS)
@pytest.mark.parametrize(("origin", "allowed"), [("http://good.example", True), ("https://good.example:8443", True), ("https://a.wild.example", True),
                                                ("https://wild.example", False), ("http://evil.example", False), (None, False), ("null", False),
                                                ("http://good.example.evil", False), ("http://evilgood.example", False)])
def test_origins(node: Node, origin: str | None, allowed: bool) -> None:
    """Hosts are compared, with wildcards; refused with 4009."""
    client = PusherClient(node, origin=origin, establish=False)
    if allowed:
        client.read_event("pusher:connection_established")
        client.close()
    else:
        client.read_error(4009)
        client.expect_close(4009)


@pytest.mark.settings(TWO_APPS)
def test_two_applications(node: Node) -> None:
    """3.19: the same channel in two applications is two channels."""
    one, two = PusherClient(node), PusherClient(node, key="key-2")
    one.subscribe("same")
    two.subscribe("same")
    assert trigger(node, "same", data="for one").status == 200
    assert one.read_json()["data"] == "for one"
    assert two.sync() == []
    two.event("client-x", {}, channel="same")
    assert one.sync() == []
    assert [g["event"] for g in two.sync()] == []


@pytest.mark.settings(LIVELY)
def test_liveness(every_node: list[Node]) -> None:
    """A silent client is pinged, and closed with 4201 when it stays silent; one that answers stays."""
    silent, answering = [PusherClient(n) for n in every_node], [PusherClient(n) for n in every_node]
    counts = [n.metrics().closes("pongTimeout") for n in every_node]
    for client in silent + answering:
        assert client.activity_timeout == 17
        client.subscribe("c")
    answered, deadline = 0, time.monotonic() + 4.5
    while time.monotonic() < deadline:
        for client in answering:
            try:
                got = client.read_frame(0.05)
            except AssertionError:
                continue
            assert got is not None and got.opcode != frames.CLOSE, "a client that answers was closed"
            answered += 1
            if got.opcode == frames.PING:
                client.send(frame(frames.PONG, got.payload))
            else:
                assert json.loads(got.payload)["event"] == "pusher:ping"
                client.event("pusher:pong", {})
    assert answered >= 2 * len(every_node)
    for node, client, count in zip(every_node, silent, counts):
        before, closed = client.drain_to_close()
        assert any(b"pusher:ping" in f.payload or f.opcode == frames.PING for f in before), (node, before)
        assert closed is not None and closed.code == 4201, (node, closed)
        wait_until(lambda: node.metrics().closes("pongTimeout") == count + 1, f"{node}: counted")
    for client in answering:
        client.close()
