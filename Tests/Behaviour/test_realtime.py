"""JSON realtime on /ws and /internal/broadcast: the checklist of its description, both modes."""

from __future__ import annotations

import json
import time

import pytest

from harness import frames
from harness.client import WebSocket, upgrade_request, wait_until
from harness.frames import BINARY, TEXT, frame
from harness.node import BASE, BROADCAST_SECRET, GOOD_ORIGIN, OTHER_ORIGIN, USUAL, Node

RAW = USUAL
STRICT_RAW = BASE.with_flags("--realtime-mode", "raw", "--realtime-secret", BROADCAST_SECRET, "--realtime-origins", GOOD_ORIGIN)
"""Clients cannot publish, as in the original."""
ENVELOPE = BASE.with_flags("--realtime-mode", "envelope", "--realtime-secret", BROADCAST_SECRET, "--realtime-origins",
                           f"{GOOD_ORIGIN} {OTHER_ORIGIN}")
SAME_ORIGIN = BASE.with_flags("--realtime-mode", "envelope", "--realtime-secret", BROADCAST_SECRET)


def broadcast(node: Node, channel: str, message: str) -> None:
    """Publishes over HTTP."""
    response = node.broadcast(channel, message)
    assert (response.status, response.body) == (202, b""), response


def envelope_client(node: Node, *channels: str) -> WebSocket:
    """A client of the envelope mode; its subscriptions are confirmed."""
    client = node.realtime(*channels)
    for channel in channels:
        assert client.read_json() == {"type": "subscribed", "channel": channel}
    return client


# raw mode

TEXTS = ["Hello", "", "(news) Hello at 12:00:00", "Zo\u00eb \u2603 \U0001f600", '{"not":"touched", "at" : all}', "a\nb\r\n\tc\0d", "x" * 5000, "<&>\"'\\"]


def test_raw_broadcasts(node: Node) -> None:
    """1: subscribers receive exactly the text."""
    client = node.realtime("news")
    node.heard(client, "news")
    for text in TEXTS:
        if text:
            broadcast(node, "news", text)
            client.expect(TEXT, text.encode())
    client.say_goodbye()


def test_two_channels(node: Node) -> None:
    """2, 3: unsubscribing stops one; the other goes on; what one is not subscribed to does not come."""
    client, other = node.realtime("a", "b"), node.realtime("c")
    node.heard(client, "a", "b")
    node.heard(other, "c")
    for channel in "abc":
        broadcast(node, channel, f"first in {channel}")
    assert [client.read_message(), client.read_message()] == [b"first in a", b"first in b"]
    assert other.read_message() == b"first in c"
    client.json({"action": "unsubscribe", "channel": "a"})
    assert client.is_alive()
    for channel in "abc":
        broadcast(node, channel, f"second in {channel}")
    assert client.read_message() == b"second in b"
    assert other.read_message() == b"second in c"
    client.json({"action": "subscribe", "channel": "a"})
    node.heard(client, "a")
    client.expect_silence(0.1)


def test_subscribing_twice_is_once(node: Node) -> None:
    client = node.realtime("twice", "twice")
    node.heard(client, "twice")
    broadcast(node, "twice", "one")
    broadcast(node, "twice", "two")
    assert [client.read_message(), client.read_message()] == [b"one", b"two"]
    client.json({"action": "unsubscribe", "channel": "twice"})
    assert client.is_alive()
    broadcast(node, "twice", "three")
    client.expect_silence(0.2)


IGNORED = ["rubbish", "[]", "[1]", "5", "\"subscribe\"", "true", "{", '{"action":"subscribe","channel":5}', '{"action":["subscribe"],"channel":"n"}',
           '{"action":"SUBSCRIBE","channel":"n"}', '{"action":"delete","channel":"n"}', '{"channel":"n"}', "{}", "null",
           '{"action":"subscribe","channel":"n"} x', "", " ", '{"action":"subscribe","channel":{"a":"n"}}', '{"action":"unsubscribe","channel":"never"}']


@pytest.mark.settings(STRICT_RAW)
def test_bad_requests_are_ignored_in_raw_mode(node: Node) -> None:
    """4: no answer, and the connection works on."""
    client = node.realtime()
    for text in IGNORED:
        client.text(text)
    assert client.is_alive()
    broadcast(node, "n", "not for it")
    client.expect_silence(0.15)
    client.json({"action": "subscribe", "channel": "n"})
    node.heard(client, "n")


ODD_BUT_RIGHT = ['{"Action":"subscribe","CHANNEL":"odd"}', '{"extra":[1,{"action":"x"}],"action":"subscribe","channel":"odd","more":null}',
                 '{"action":"x","action":"subscribe","channel":"no","channel":"odd"}', ' {\n"action" : "subscribe" ,\t"channel":"odd" } ',
                 '{"action":"sub\\u0073cribe","channel":"\\u006fdd"}']


@pytest.mark.parametrize("text", ODD_BUT_RIGHT)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_odd_requests(node: Node, text: str, opcode: int) -> None:
    """4: names without regard to case, the last duplicate wins, further members, binary messages."""
    client = node.realtime()
    client.send(frame(opcode, text))
    node.heard(client, "odd")
    client.close()


def test_channel_names(node: Node) -> None:
    """Any text is a channel, also the empty one."""
    names = ["with space", "Zo\u00eb/\u2603", "a\"b\\c", "private-x", "x" * 300, "\U0001f600", "\u0001"]
    client = node.realtime(*names, "")
    node.heard(client, *names)
    client.close()


@pytest.mark.settings(STRICT_RAW)
def test_message_size(node: Node) -> None:
    """5: 512 bytes are a request, 513 are too many: 1009."""
    start = '{"action":"subscribe","channel":"exact","pad":"'
    client = node.realtime()
    client.text(start + "x" * (512 - len(start) - 2) + '"}')
    node.heard(client, "exact")
    client.text(start + "x" * (513 - len(start) - 2) + '"}')
    client.expect_close(1009)
    client = node.realtime()
    client.send(frame(TEXT, b"", declared=513))
    client.expect_close(1009)
    client = node.realtime()
    client.send(frame(TEXT, "{" + " " * 400, fin=False) + frame(frames.CONTINUATION, " " * 111 + "}"))
    client.expect_close(1009)


@pytest.mark.settings(STRICT_RAW)
def test_clients_cannot_publish_by_default(node: Node) -> None:
    client = node.realtime("c")
    node.heard(client, "c")
    client.json({"action": "publish", "channel": "c", "message": "forged"})
    assert client.is_alive()
    client.expect_silence(0.2)


def test_publishing_over_the_socket(node: Node) -> None:
    """The extension: subscribers receive exactly the text, the publisher too when it subscribes."""
    client, source = node.realtime("talk"), node.realtime("talk")
    node.heard(client, "talk")
    node.heard(source, "talk")
    for text in [t for t in TEXTS if "\0" not in t]:
        source.json({"action": "publish", "channel": "talk", "message": text})
        client.expect(TEXT, text.encode())
        source.expect(TEXT, text.encode())
    source.send(frame(BINARY, json.dumps({"action": "publish", "channel": "talk", "message": "a\u2028\U0001f600/"})))
    assert client.read_message() == "a\u2028\U0001f600/".encode()
    source.json({"action": "publish", "channel": "nobody", "message": "x"})
    assert source.read_message() == "a\u2028\U0001f600/".encode()
    assert source.is_alive()


@pytest.mark.parametrize("text", ['{"action":"publish","channel":"talk"}', '{"action":"publish","message":"x"}',
                                  '{"action":"publish","channel":"talk","message":5}', '{"action":"publish","channel":"talk","message":null}',
                                  '{"action":"publish","channel":"talk","message":{"a":1}}',
                                  '{"action":"publish","channel":"talk","message":"\\ud800"}'])
def test_bad_publishes(node: Node, text: str) -> None:
    """Ignored as other bad requests are: nothing is delivered, the connection stays."""
    client = node.realtime("talk")
    node.heard(client, "talk")
    client.text(text)
    assert client.is_alive()
    broadcast(node, "talk", "end")
    assert client.read_message() == b"end"


def test_an_empty_text_is_a_message(node: Node) -> None:
    """Where it is there and empty."""
    client = node.realtime("talk")
    node.heard(client, "talk")
    client.json({"action": "publish", "channel": "talk", "message": ""})
    assert client.read_message() == b""


def test_order(node: Node) -> None:
    """11: a thousand broadcasts of one publisher arrive in order at every subscriber."""
    clients = [node.realtime("order", f"other{n}") for n in range(8)]
    for client in clients:
        node.heard(client, "order")
    source = node.realtime()
    for number in range(1000):
        source.json({"action": "publish", "channel": "order", "message": f"{number}"})
    for client in clients:
        assert [int(client.read_message()) for _ in range(1000)] == list(range(1000))


# HTTP publishing

def post(node: Node, body: bytes, **fields: str) -> tuple[int, bytes]:
    """POST /internal/broadcast."""
    given = {"Content-Type": "application/x-www-form-urlencoded", "X-Broadcast-Secret": BROADCAST_SECRET}
    for name, value in fields.items():
        given[name.replace("_", "-")] = value
    response = node.request("POST", "/internal/broadcast", body, given)
    return response.status, response.body


@pytest.mark.parametrize("mode", [RAW, ENVELOPE], ids=["raw", "envelope"])
def test_secret(pool, variant, mode) -> None:
    """12: right, wrong, missing; before everything else."""
    node = pool.get(mode, variant)
    assert node.broadcast("c", "m").status == 202
    for secret in ("wrong", "", None, BROADCAST_SECRET + "x", BROADCAST_SECRET[:-1], BROADCAST_SECRET.upper()):
        response = node.broadcast("c", "m", secret=secret)
        assert (response.status, response.body.strip()) == (403, b"Forbidden"), secret
    assert node.request("GET", "/internal/broadcast").status == 403
    assert node.request("GET", "/internal/broadcast", fields={"X-Broadcast-Secret": BROADCAST_SECRET}).status == 405


def test_form(node: Node) -> None:
    """Fields missing, empty, encoded in each way; in the query too."""
    for body in (b"", b"channel=c", b"message=m", b"channel=&message=m", b"channel=c&message=", b"Channel=c&Message=m"):
        status, text = post(node, body)
        assert (status, text.strip()) == (400, b"Missing channel or message"), body
    for body in (b"channel=c&message=%zz", b"channel=%&message=m", b"channel=c&message=%e2%82"):
        assert post(node, body)[0] == 400, body
    client = node.realtime("a b", "Zo\u00eb")
    node.heard(client, "a b", "Zo\u00eb")
    for body, text in ((b"channel=a+b&message=1+2%2B3%26", "1 2+3&"), (b"message=%E2%98%83&x=y&channel=Zo%c3%ab", "\u2603"),
                       (b"channel=a%20b&message=first&message=second", "first")):
        assert post(node, body) == (202, b""), body
        assert client.read_message() == text.encode()
    response = node.request("POST", "/internal/broadcast?channel=a+b&message=by+query", b"", {"X-Broadcast-Secret": BROADCAST_SECRET})
    assert response.status == 202
    assert client.read_message() == b"by query"


def test_invalid_text_is_never_sent(node: Node) -> None:
    """A broadcast that is not UTF-8 is refused: browsers would close."""
    client = node.realtime("bin")
    node.heard(client, "bin")
    assert post(node, b"channel=bin&message=%ff%fe")[0] == 400
    broadcast(node, "bin", "good")
    assert client.read_message() == b"good"


@pytest.mark.settings(BASE.with_flags("--realtime-mode", "raw", "--realtime-origins", GOOD_ORIGIN))
def test_without_a_secret(node: Node) -> None:
    """No secret is configured: nobody may publish, rather than everybody."""
    for secret in (None, "", "x"):
        assert node.broadcast("c", "m", secret=secret).status == 403


# envelope mode

@pytest.mark.settings(ENVELOPE)
def test_envelope(node: Node) -> None:
    """1: the payload is the JSON value itself."""
    client = envelope_client(node, "news")
    for text, value in (('{"a":[1,2.5,null,true],"b":"\u2603"}', {"a": [1, 2.5, None, True], "b": "\u2603"}), ('"text"', "text"), ("5", 5),
                        ("null", None), ("[]", []), ("-0.5e3", -500.0), (' {"space" : 1 } ', {"space": 1}), ('"<&>"', "<&>")):
        broadcast(node, "news", text)
        assert client.read_json() == {"type": "message", "channel": "news", "payload": value}
    client.json({"action": "unsubscribe", "channel": "news"})
    assert client.read_json() == {"type": "unsubscribed", "channel": "news"}
    broadcast(node, "news", "1")
    client.expect_silence(0.15)
    client.say_goodbye()


@pytest.mark.settings(ENVELOPE)
def test_payload_that_is_no_json(node: Node) -> None:
    """Delivered as a JSON string. (The reference accepts it with 202 and drops it; nothing is lost here.)"""
    client = envelope_client(node, "news")
    for text in ("not json", "{", "{}{}", "'a'", "NaN", "01", "[1,]"):
        broadcast(node, "news", text)
        assert client.read_json()["payload"] == text
    broadcast(node, "news", "7")
    assert client.read_json()["payload"] == 7


@pytest.mark.settings(ENVELOPE)
def test_confirmations(node: Node) -> None:
    """Each subscribe and unsubscribe is confirmed, also when it changes nothing."""
    client = node.realtime()
    names = ["a", "a", "Zo\u00eb \u2603", "a\"\\\n"]
    for name in names:
        client.json({"action": "subscribe", "channel": name})
        assert client.read_json() == {"type": "subscribed", "channel": name}
    for name in [*names, "never"]:
        client.json({"action": "unsubscribe", "channel": name})
        assert client.read_json() == {"type": "unsubscribed", "channel": name}


@pytest.mark.settings(ENVELOPE)
@pytest.mark.parametrize(("text", "error"), [
    ("rubbish", "invalid JSON message"), ("[]", "invalid JSON message"), ("5", "invalid JSON message"), ("", "invalid JSON message"),
    ('{"action":5,"channel":"c"}', "invalid JSON message"), ('{"action":"subscribe","channel":null}', "channel must be specified"),
    ("{}", "channel must be specified"), ("null", "channel must be specified"), ('{"action":"x"}', "channel must be specified"),
    ('{"action":"subscribe","channel":""}', "channel must be specified"), ('{"action":"delete","channel":"c"}', "unknown action: delete"),
    ('{"channel":"c"}', "unknown action: "), ('{"action":"Subscribe","channel":"c"}', "unknown action: Subscribe"),
    ('{"action":"publish","channel":"c","message":"m"}', "unknown action: publish")])
def test_errors(node: Node, text: str, error: str) -> None:
    """4: the words of the original, in its order of checks; the connection stays."""
    client = node.realtime()
    client.text(text)
    assert client.read_json() == {"type": "error", "error": error}
    client.json({"action": "subscribe", "channel": "c"})
    assert client.read_json() == {"type": "subscribed", "channel": "c"}
    client.close()


@pytest.mark.settings(ENVELOPE)
def test_subscribed_comes_first(node: Node) -> None:
    """A client may rely on `subscribed` before the first message; what is published behind it arrives."""
    source = node.realtime()
    for number in range(50):
        client = node.realtime()
        client.json({"action": "subscribe", "channel": f"race{number % 7}"})
        broadcast(node, f"race{number % 7}", str(number))
        assert client.read_json() == {"type": "subscribed", "channel": f"race{number % 7}"}
        broadcast(node, f"race{number % 7}", str(number + 1000))
        got = client.read_json()
        if got["payload"] == number:
            got = client.read_json()
        assert got["payload"] == number + 1000
        client.close()
    source.close()


@pytest.mark.settings(ENVELOPE)
@pytest.mark.parametrize(("origin", "status"), [(None, 101), (GOOD_ORIGIN, 101), (OTHER_ORIGIN, 101), ("http://evil.example", 403), ("null", 403),
                                               ("https://good.example", 403), ("http://good.example:80", 403), ("http://GOOD.example", 403)])
def test_envelope_origins(node: Node, origin: str | None, status: int) -> None:
    """8: absent is allowed, others must be in the list, to the letter. Refused with 403."""
    client, response = node.upgrade("/ws", origin=origin)
    assert response.status == status
    if status == 403:
        client.expect_end()


@pytest.mark.settings(SAME_ORIGIN)
def test_same_origin(node: Node) -> None:
    """Without a list, the origin's host and port must be those of Host."""
    for origin, status in ((None, 101), (f"http://127.0.0.1:{node.port}", 101), ("http://127.0.0.1", 403), (f"http://localhost:{node.port}", 403),
                           (f"http://127.0.0.1:{node.port + 1}", 403), ("null", 403)):
        client, response = node.upgrade("/ws", origin=origin)
        assert response.status == status, origin
        client.close()


# the rest

def test_upgrade_failures(node: Node) -> None:
    """1.1: statuses of this endpoint."""
    for parts, statuses in ((dict(replace={"Upgrade": None, "Connection": None}), {400, 426}), (dict(line="POST /ws HTTP/1.1"), {400, 405}),
                            (dict(replace={"Sec-WebSocket-Version": "12"}), {400, 426}), (dict(key="abc"), {400})):
        request, _ = upgrade_request("/ws", node.port, origin=GOOD_ORIGIN, **parts)
        with node.send(request) as client:
            response = client.read_response()
            assert response.status in statuses, response
            client.expect_end()


def test_client_closes(node: Node) -> None:
    """A close is answered with the same code and no reason; pings with the same payload."""
    for code in (1000, 1001, 4000):
        client = node.realtime("c")
        client.ping(b"ping")
        client.expect(frames.PONG, b"ping")
        client.send(frames.close(code, "a reason"))
        assert client.expect_close(code, answer=False).payload[2:] == b""


def test_channels_of_the_gone_are_gone(node: Node) -> None:
    channels = node.metrics().value("channels")
    client = node.realtime(*(f"gone{n}" for n in range(50)))
    wait_until(lambda: node.metrics().value("channels") >= channels + 50, "they are there")
    client.reset()
    wait_until(lambda: node.metrics().value("channels") <= channels, "they are gone")


def test_pusher_and_realtime_are_apart(node: Node) -> None:
    """The same name in two protocols is two channels, unless the node says otherwise; none breaks the other."""
    from harness.pusher import PusherClient, trigger
    realtime, pusher = node.realtime("shared"), PusherClient(node)
    node.heard(realtime, "shared")
    pusher.subscribe("shared")
    assert trigger(node, "shared").status == 200
    assert pusher.read_json()["event"] == "my-event"
    broadcast(node, "shared", "plain")
    assert realtime.read_message() == b"plain"
    time.sleep(0.05)
    assert pusher.sync() == []
