#!/usr/bin/env python3
"""What channels with state cost: members coming and going, private subscriptions, publishing over HTTP.

    Benchmarks/channels.py [--backend uring|epoll] [--workers N] [--members N] [--quiet N] [members|private|http ...]

Starts the release build (or $CLARION_BIN) and reads its CPU time. Only Python's standard library; the numbers of CPU
are the server's own, so they do not depend on how fast this client is.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import pathlib
import resource
import select
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEY, SECRET, APP = "app-key", "app-secret", "app-id"
UPGRADE = (f"GET /app/{KEY}?protocol=7 HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()


def sign(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def frame(text: str) -> bytes:
    """A masked text frame; the mask is zero."""
    payload = text.encode()
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    return b"\x81" + size + b"\0\0\0\0" + payload


class Server:
    """A node on a port of its own."""

    def __init__(self, backend: str, workers: int, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        binary = os.environ.get("CLARION_BIN", str(ROOT / ".build/release/clarion"))
        command = [binary, "start", "--port", str(self.port), "--backend", backend, "--workers", str(workers)]
        variables = {k: v for k, v in os.environ.items() if not k.startswith("CLARION_")} | environment
        self.process = subprocess.Popen([*command, "--log-level", "warning"], env=variables, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the node does not listen")

    def cpu(self) -> float:
        """Seconds of CPU so far, user and system."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Client:
    """A socket with its id; what comes is counted, and kept only by an auditor."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(UPGRADE)
        self.kept = bytearray()
        while b"activity_timeout" not in self.kept:
            self.kept += self.socket.recv(65536)
        self.id = self.kept.split(b'socket_id\\":\\"', 1)[1].split(b'\\"', 1)[0].decode()
        self.kept.clear()
        self.socket.setblocking(False)
        self.is_auditor = False
        self.bytes = 0

    def subscribe(self, channel: str, data: str | None = None) -> bytes:
        """The frame of a signed subscription."""
        auth = f"{KEY}:" + sign(f"{self.id}:{channel}" + (f":{data}" if data else ""))
        body = {"channel": channel, "auth": auth} | ({"channel_data": data} if data else {})
        return frame(json.dumps({"event": "pusher:subscribe", "data": body}))


class Drain:
    """Reads what comes on many sockets."""

    def __init__(self, clients: list[Client]) -> None:
        self.poll = select.epoll()
        self.clients = {client.socket.fileno(): client for client in clients}
        for number in self.clients:
            self.poll.register(number, select.EPOLLIN)
        self.buffer = bytearray(1 << 20)

    def once(self, timeout: float) -> int:
        total = 0
        for number, _ in self.poll.poll(timeout, 4096):
            client = self.clients[number]
            while True:
                try:
                    count = client.socket.recv_into(self.buffer)
                except BlockingIOError:
                    break
                if count == 0:
                    raise SystemExit("the node closed a connection")
                if client.is_auditor:
                    client.kept += self.buffer[:count]
                client.bytes += count
                total += count
                if count < len(self.buffer):
                    break
        return total

    def until_quiet(self, seconds: float = 1.0) -> float:
        """Reads until nothing comes for so long; returns when the last came."""
        last = time.monotonic()
        while time.monotonic() - last < seconds:
            if self.once(0.05):
                last = time.monotonic()
        return last


def messages(data: bytes) -> list[dict]:
    """The JSON messages of a stream of frames."""
    found, position = [], 0
    while position < len(data):
        size, head = data[position + 1] & 127, 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[position + 2:position + head], "big")
        found.append(json.loads(data[position + head:position + head + size]))
        position += head + size
    return found


def members(options: argparse.Namespace) -> None:
    """`count` users join one presence channel and leave it. By the protocol that is count * count / 2 member_added and
    as many entries of rosters; what must stay the same as the count grows is the cost of each."""
    print("members joining and leaving one presence channel")
    for count in (options.members // 4, options.members // 2, options.members):
        server = Server(options.backend, options.workers, CLARION_APP_PRESENCE_MEMBERS_MAX="1000000",
                        CLARION_APP_PRESENCE_QUIET_MEMBERS=str(options.quiet), CLARION_LIMITS_CONNECTIONS_MAX="20000",
                        # All readers are this one slow process, which answers no pings.
                        CLARION_APP_PING_INTERVAL_SECONDS="3600", CLARION_LIMITS_UNACKNOWLEDGED_SECONDS="600",
                        CLARION_LIMITS_LOG_BYTES_MAX=str(64 << 20), CLARION_LIMITS_SLOW_CONSUMER_SECONDS="600",
                        CLARION_LIMITS_BLOCK_BYTES_MAX=str(8 << 30))
        clients = [Client(server) for _ in range(count)]
        auditor = clients[0]
        auditor.is_auditor = True
        drain = Drain(clients)
        before, started = server.cpu(), time.monotonic()
        for index, client in enumerate(clients):
            user = {"user_id": f"user-{index}", "user_info": {"name": f"Number {index}"}}
            data = json.dumps(user, separators=(",", ":"))
            client.socket.sendall(client.subscribe("presence-crowd", data))
            if index % 16 == 15:
                drain.once(0)
        seconds = drain.until_quiet(5) - started
        joined = server.cpu() - before
        received = sum(client.bytes for client in clients)
        told = messages(bytes(auditor.kept))
        roster = set(json.loads(told[0]["data"])["presence"]["ids"])
        for message in told[1:]:
            assert message["event"] == "pusher_internal:member_added", message
            user = json.loads(message["data"])["user_id"]
            assert user not in roster
            roster.add(user)
        everybody = {f"user-{index}" for index in range(count)}
        assert roster == everybody or 0 < options.quiet <= len(roster), f"the auditor knows {len(roster)} of {count}"
        resident = server.resident()
        auditor.kept.clear()
        before = server.cpu()
        for index, client in enumerate(clients[1:]):
            client.socket.sendall(frame('{"event":"pusher:unsubscribe","data":{"channel":"presence-crowd"}}'))
            if index % 16 == 15:
                drain.once(0)
        drain.until_quiet(5)
        left = server.cpu() - before
        if options.quiet == 0:
            gone = [json.loads(message["data"])["user_id"] for message in messages(bytes(auditor.kept))]
            assert len(gone) == count - 1 == len(set(gone)), "the auditor did not hear everybody leave once"
        pairs = count * count / 2
        print(f"  {count:6d} members: join {joined:7.2f} s CPU, {joined / count * 1e6:8.1f} us a member, "
              f"{joined / pairs * 1e9:6.1f} ns a pair, {received / 1e6:8.0f} MB sent in {seconds:5.1f} s, "
              f"{resident / 1e6:5.0f} MB resident; leave {left:6.2f} s CPU, {left / pairs * 1e9:6.1f} ns a pair")
        for client in clients:
            client.socket.close()
        server.stop()


def private(options: argparse.Namespace) -> None:
    """Subscribing to channels of one's own: public, and private with its HMAC."""
    print("subscribing, each to a channel of its own")
    connections, channels, rounds = 200, 100, 3
    costs = {}
    for prefix in ("room-", "private-room-") * rounds:
        server = Server(options.backend, options.workers)
        clients = [Client(server) for _ in range(connections)]
        drain = Drain(clients)
        frames = [b"".join(client.subscribe(f"{prefix}{index}-{channel}") for channel in range(channels))
                  for index, client in enumerate(clients)]
        before = server.cpu()
        for client, bytes_ in zip(clients, frames):
            client.socket.sendall(bytes_)
            drain.once(0)
        drain.until_quiet()
        cost = (server.cpu() - before) / (connections * channels) * 1e6
        costs[prefix] = min(costs.get(prefix, cost), cost)
        server.stop()
    public, guarded = costs["room-"], costs["private-room-"]
    print(f"  public {public:.2f} us, private {guarded:.2f} us, beyond {guarded - public:.2f} us of CPU")


def http(options: argparse.Namespace) -> None:
    """Signed events over connections that are kept alive, several requests in flight on each."""
    print("publishing over HTTP")
    body = json.dumps({"name": "my-event", "channel": "my-channel", "data": '{"hello":"world"}'}).encode()
    for path, payload in ((f"/apps/{APP}/events", body), ("/up", b"")):
        server = Server(options.backend, options.workers)
        digest = hashlib.md5(payload).hexdigest()
        query = f"auth_key={KEY}&auth_timestamp={int(time.time())}&auth_version=1.0&body_md5={digest}"
        signature = sign(f"POST\n{path}\n{query}")
        method = "POST" if payload else "GET"
        head = f"{method} {path}?{query}&auth_signature={signature} HTTP/1.1\r\nHost: bench\r\n"
        request = f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload
        for in_flight in (1, 16):
            connections, seconds, count = 16, 5.0, 0
            sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(connections)]
            poll = select.epoll()
            for each in sockets:
                poll.register(each.fileno(), select.EPOLLIN)
            by_number = {each.fileno(): each for each in sockets}
            waiting = {}
            before, started = server.cpu(), time.monotonic()
            for each in sockets:
                each.sendall(request * in_flight)
                waiting[each.fileno()] = in_flight
            while time.monotonic() - started < seconds:
                for number, _ in poll.poll(1):
                    answers = by_number[number].recv(1 << 18).count(b"HTTP/1.1 200")
                    count += answers
                    waiting[number] -= answers
                    if waiting[number] == 0:
                        by_number[number].sendall(request * in_flight)
                        waiting[number] = in_flight
            cost, took = server.cpu() - before, time.monotonic() - started
            print(f"  {path}, {in_flight:2d} in flight on {connections} connections: {count / took:9.0f} a second, "
                  f"{cost / count * 1e6:6.2f} us of CPU each")
            for each in sockets:
                each.close()
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--quiet", type=int, default=0, help="presence_quiet_members of the node")
    parser.add_argument("parts", nargs="*", choices=["members", "private", "http", []])
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    for part in options.parts or ["members", "private", "http"]:
        {"members": members, "private": private, "http": http}[part](options)


if __name__ == "__main__":
    main()
