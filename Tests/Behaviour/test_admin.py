"""The admin socket, and the commands that speak to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.client import wait_until
from harness.node import APP_ID, APP_KEY, USUAL, Node, Variant, binary, is_sanitized
from harness.pusher import PusherClient

EACH_BACKEND = [Variant("uring", 4), Variant("epoll", 4)]


@pytest.fixture
def place():
    """A path for an admin socket."""
    with tempfile.TemporaryDirectory(prefix="clarion-admin-") as folder:
        yield Path(folder) / "admin.sock"


def node_at(place: Path, variant: Variant) -> Node:
    """A node whose admin socket is at `place`, or that has said that it cannot be."""
    node = Node(USUAL.with_flags("--admin-socket", str(place)), variant)
    wait_until(lambda: "admin socket" in node.output(), "the node says where its admin socket is")
    return node


@pytest.fixture
def own(variant: Variant, place: Path):
    """A node with an admin socket at `place`."""
    node = node_at(place, variant)
    yield node
    node.stop_clean()


def run(place: Path, *words: str, status: int = 0, timeout: float = 20) -> str:
    """Runs a command; what it printed (errors when it must fail)."""
    result = subprocess.run([str(binary()), words[0], "--socket", str(place), *words[1:]], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, timeout=timeout)
    assert result.returncode == status, (words, result.returncode, result.stdout, result.stderr)
    return result.stdout if status == 0 else result.stderr


def ask(place: Path, line: bytes, timeout: float = 10) -> bytes:
    """Sends bytes to the socket and reads until its end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(str(place))
        client.sendall(line)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        return answer


@pytest.mark.variants(EACH_BACKEND)
class TestCommands:
    def test_status_counts(self, own: Node, place: Path) -> None:
        clients = [PusherClient(own) for _ in range(5)]
        for client in clients:
            client.subscribe("orders")
        answer = json.loads(run(place, "status", "--json"))
        assert answer["totals"]["sockets"] == 5 and answer["totals"]["subscriptions"] == 5
        assert len(answer["workers"]) == own.variant.workers
        assert sum(worker["sockets"] for worker in answer["workers"]) == 5
        assert answer["apps"] == [{"id": APP_ID, "key": APP_KEY, "connections": 5}]
        assert answer["pid"] == own.process.pid and answer["backend"] == own.variant.backend
        text = run(place, "status", "--seconds", "0")
        assert "connections" in text and APP_ID in text and "app-secret" not in text

    def test_channels_by_size(self, own: Node, place: Path) -> None:
        clients = [PusherClient(own) for _ in range(3)]
        for index, client in enumerate(clients):
            for name in ("a-one", "b-two", "c-three")[: index + 1]:
                client.subscribe(name)
        answer = json.loads(run(place, "channels", "--json"))
        assert [(c["channel"], c["subscriptions"]) for c in answer["channels"]] == [("a-one", 3), ("b-two", 2), ("c-three", 1)]
        assert answer["total"] == 3
        answer = json.loads(run(place, "channels", "--json", "--limit", "1", "--prefix", "b"))
        assert [c["channel"] for c in answer["channels"]] == ["b-two"] and answer["total"] == 1
        answer = json.loads(run(place, "channels", "--json", "--app", "realtime"))
        assert answer["channels"] == []
        assert "no application nobody" in run(place, "channels", "--app", "nobody", status=1)

    def test_publish_and_tail(self, own: Node, place: Path) -> None:
        client = PusherClient(own)
        client.subscribe("news")
        with subprocess.Popen([str(binary()), "tail", "--socket", str(place), "--json", "--prefix", "ne"],
                              stdout=subprocess.PIPE, text=True) as tail:
            try:
                os.set_blocking(tail.stdout.fileno(), False)

                def seen() -> str:
                    # Until the tap is set what is published passes it by.
                    assert run(place, "publish", "news", "hello", '{"n":"\u00e4"}') == "published to 1 subscriptions\n"
                    event = client.read_event("hello")
                    assert event["channel"] == "news" and json.loads(event["data"]) == {"n": "\u00e4"}
                    return tail.stdout.readline()
                first = json.loads(wait_until(seen, "the tail shows it"))
                assert first["app"] == APP_ID and first["channel"] == "news" and json.loads(first["message"])["event"] == "hello"
            finally:
                tail.kill()
        assert "no name of a channel" in run(place, "publish", "bad channel", "x", status=1)

    def test_publish_to_realtime(self, own: Node, place: Path) -> None:
        client = own.realtime("room")
        own.heard(client, "room")
        run(place, "publish", "--app", "realtime", "room", "plain text")
        assert client.read_message() == b"plain text"

    def test_kick(self, own: Node, place: Path) -> None:
        first, second = PusherClient(own), PusherClient(own)
        first.subscribe("room")
        detail = json.loads(run(place, "connections", "--json", first.socket_id))
        assert detail["socket"] == first.socket_id and detail["channels"] == [{"app": APP_ID, "channel": "room"}]
        assert run(place, "kick", first.socket_id) == "1 ended\n"
        assert first.expect_close(4009)
        assert "no such connection" in run(place, "kick", first.socket_id, status=1)
        assert "no such connection" in run(place, "kick", "1.1", status=1)
        assert "socket id" in run(place, "kick", "one.two", status=1)
        assert run(place, "kick", "--app", APP_KEY) == "1 ended\n"
        assert second.expect_close(4009)
        wait_until(lambda: own.metrics().closes("kicked") == 2, "both count as kicked")

    def test_connections_that_are_behind(self, own: Node, place: Path) -> None:
        slow = own.realtime("flood", receive_buffer=4096)
        own.heard(slow, "flood")
        text = "x" * 400
        def is_behind() -> bool:
            for _ in range(200):
                own.broadcast("flood", text)
            answer = json.loads(run(place, "connections", "--json", "--slow"))
            return bool(answer["connections"]) and answer["connections"][0]["lagBytes"] > 0
        wait_until(is_behind, "the reader shows as behind", timeout=60)
        assert "realtime" in run(place, "connections", "--slow")

    def test_top_shows_pictures(self, own: Node, place: Path) -> None:
        client = PusherClient(own)
        client.subscribe("shown")
        text = run(place, "top", "--count", "2", "--interval", "0.2")
        assert text.count("subscriptions") >= 2 and "shown" in text and "\x1b" not in text

    def test_control_characters_do_not_reach_a_terminal(self, own: Node, place: Path) -> None:
        client = own.realtime("\x1b]0;owned\x07")
        wait_until(lambda: json.loads(run(place, "channels", "--json"))["total"] == 1, "the channel is there")
        assert "\x1b" not in run(place, "channels") and "owned" in run(place, "channels")
        client.close()


@pytest.mark.variants(EACH_BACKEND)
class TestSocket:
    def test_only_this_user_may_connect(self, own: Node, place: Path) -> None:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
    def test_another_user_is_refused(self, own: Node, place: Path) -> None:
        place.chmod(0o666)
        place.parent.chmod(0o755)
        code = ("import os,socket,sys; os.setuid(65534); s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
                "s.settimeout(10)\ntry:\n s.sendall(b'{\"command\":\"status\"}\\n'); print(len(s.recv(10)))\nexcept OSError: print(0)")
        result = subprocess.run(["python3", "-c", code, str(place)], stdout=subprocess.PIPE, text=True, timeout=20)
        assert result.stdout.strip() == "0"

    @pytest.mark.parametrize("line, words", [
        (b"nonsense\n", "no JSON"), (b"[]\n", "no command"), (b"{}\n", "no command"), (b'{"command":5}\n', "no command"),
        (b'{"command":"fly"}\n', "no command fly"), (b'{"command":"publish"}\n', "no channel"),
        (b'{"command":"kick"}\n', "name a socket"), (b'{"command":"connection","socket":7}\n', "socket id"),
        (b'{"command":"channels","limit":-5}\n', '"channels":[]'), (b'{"command":"channels","limit":1e300}\n', "channels"),
        (b'{"command":"tail","app":"nobody"}\n', "no application"), (b"\xff\xfe\n", "no JSON"),
        (b"[" * 100000 + b"\n", "no JSON")])
    def test_bad_requests_get_a_sentence(self, own: Node, place: Path, line: bytes, words: str) -> None:
        assert words in ask(place, line).decode()
        own.check_alive()

    def test_an_endless_line_ends(self, own: Node, place: Path) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(place))
            with pytest.raises(OSError):
                for _ in range(200):
                    client.sendall(b"x" * 65536)
        own.check_alive()

    def test_many_silent_clients(self, own: Node, place: Path) -> None:
        clients = []
        for _ in range(40):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(place))
            clients.append(client)
        own.check_alive()
        for client in clients:
            client.close()

        def serves() -> bool:
            try:
                return b"totals" in ask(place, b'{"command":"status"}\n')
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):  # its queue is still full, or it lets nobody else in
                return False
        wait_until(serves, "the socket serves again", timeout=30)

    def test_a_file_left_behind_is_replaced_and_a_living_one_is_not(self, variant: Variant, place: Path) -> None:
        first, second = node_at(place, variant), node_at(place, variant)
        assert "another node answers" in second.output()
        assert json.loads(run(place, "status", "--json"))["pid"] == first.process.pid
        second.stop_clean()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        assert place.exists()
        third = node_at(place, variant)
        assert json.loads(run(place, "status", "--json"))["pid"] == third.process.pid
        third.stop_clean()
        assert not place.exists()

    def test_drain(self, variant: Variant, place: Path) -> None:
        node = node_at(place, variant)
        client = PusherClient(node)
        assert run(place, "drain") == "draining\n"
        client.read_error(4200)
        client.expect_close(4200)
        assert node.process.wait(20) == 0

    def test_followers_leave_room_for_steering(self, variant: Variant, place: Path) -> None:
        """Whoever follows messages cannot keep an operator from ending, reloading or kicking."""
        node = node_at(place, variant)
        client = PusherClient(node)
        followers = []
        try:
            for _ in range(16):
                follower = socket.socket(socket.AF_UNIX)
                followers.append(follower)
                follower.settimeout(20)
                follower.connect(str(place))
                follower.sendall(b'{"command":"tail"}\n')
                assert follower.recv(4096) == b'{"tailing":true}\n'
            for words in (["status"], ["channels"]):
                assert "there are 16 admin connections" in run(place, *words, status=1)
            assert json.loads(run(place, "kick", client.socket_id, "--json")) == {"kicked": 1}
            assert "applied" in run(place, "reload", "--json")
            assert run(place, "drain") == "draining\n"
            if is_sanitized():
                # What their threads hold when the process ends would be called leaked.
                for follower in followers:
                    follower.close()
            assert node.process.wait(20) == 0
        finally:
            for follower in followers:
                follower.close()
            node.kill()

    def test_off(self, variant: Variant, place: Path) -> None:
        node = Node(USUAL.with_flags("--admin-socket", "off"), variant)
        assert "admin socket" not in node.output()
        node.stop_clean()
        assert "is a node running?" in run(place, "status", status=1)
