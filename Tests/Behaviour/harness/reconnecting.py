"""A client of the Pusher protocol that lives on: what pusher-js 8 and laravel-echo 2 send, and when they come back.

Its rules, from the protocol:

* Close codes. 4000 to 4099: stay away. 4100 to 4199: come back after a second. 4200 to 4299: come back at once. 1002 to 1004 and every
  other code below 4000, and an end without a code: come back after a second. From 4300 on: stay away.
* Before `connection_established`, a `pusher:error` with a code is taken as a close with that code.
* Silence for the smaller of the own and the server's activity timeout: `pusher:ping`. Silence for the pong timeout behind it: give the
  socket up and come back at once.
* Not connected for ten seconds on end: `unavailable`, and still trying.
* A new connection has a new socket id. Every channel is subscribed anew: private and presence channels are authorized anew first, by
  the function that stands for the application's endpoint; and who was signed in signs in again.

Times can be made shorter, so that a test does not wait for them. One thread for each client; `stop` ends it.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable

from . import frames
from .client import PATIENCE, WebSocket, upgrade_request, wait_until
from .frames import CLOSE, PING, TEXT
from .node import APP_KEY
from .signing import channel_auth, user_auth

Authorize = Callable[[str, str], dict[str, str]]
"""socket id and channel to what the endpoint answers: `auth`, and `channel_data` for presence channels."""


def usual_authorize(socket_id: str, channel: str) -> dict[str, str]:
    """An endpoint that lets everybody in."""
    return {"auth": channel_auth(socket_id, channel)}


def action_of_close(code: int | None) -> str:
    """What pusher-js does: `stop`, `later` (after a second) or `now`."""
    if code is None or code < 4000:
        return "later"
    if code == 4000:
        return "now"  # over TLS; there is none here
    if code < 4100:
        return "stop"
    if code < 4200:
        return "later"
    return "now" if code < 4300 else "stop"


@dataclass
class Times:
    """Seconds, as pusher-js has them."""

    activity: float = 120
    pong: float = 30
    retry: float = 1
    unavailable: float = 10


@dataclass
class Channel:
    """A channel that the client wants to be on, whatever becomes of connections."""

    name: str
    subscribed: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    confirmations: list[Any] = field(default_factory=list)
    """Data of each subscription_succeeded, one for each connection."""
    auths: list[str] = field(default_factory=list)


class ReconnectingClient:
    """One client."""

    def __init__(self, port: int, *, key: str = APP_KEY, authorize: Authorize = usual_authorize, user: dict[str, Any] | None = None,
                 times: Times | None = None, answers_pings: bool = True) -> None:
        self.port, self.key, self.authorize, self.user = port, key, authorize, user
        self.times = times or Times()
        self.answers_pings = answers_pings
        self.state = "initialized"
        self.states: list[str] = []
        self.socket_ids: list[str] = []
        self.codes: list[int | None] = []
        """Of each close."""
        self.errors: list[dict[str, Any]] = []
        self.pings = 0
        self.signed_in: list[str] = []
        self.unknown: list[dict[str, Any]] = []
        self.channels: dict[str, Channel] = {}
        self.failure: BaseException | None = None
        self._lock = threading.RLock()
        self._socket: WebSocket | None = None
        self._stopped = threading.Event()
        self._offline_since = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "ReconnectingClient":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # what an application calls

    def subscribe(self, *names: str) -> Channel:
        """Wants to be on channels from now on; gives the last."""
        with self._lock:
            for name in names:
                channel = self.channels.setdefault(name, Channel(name))
                if self.state == "connected":
                    self._subscribe(channel)
        return channel

    def wait_connected(self, count: int = 1, timeout: float = PATIENCE) -> "ReconnectingClient":
        """Waits until the client is connected for the `count`th time or later, on all its channels."""
        def is_there() -> bool:
            if self.failure:
                raise self.failure
            with self._lock:
                return len(self.socket_ids) >= count and self.state == "connected" and all(c.subscribed for c in self.channels.values())
        wait_until(is_there, f"connection {count}; states {self.states}, codes {self.codes}", timeout, 0.01)
        return self

    def wait_state(self, state: str, timeout: float = PATIENCE) -> None:
        """Waits until the client is in a state, or was."""
        wait_until(lambda: state in self.states, f"{state}; states {self.states}, codes {self.codes}", timeout, 0.01)

    def wait_events(self, channel: str, count: int) -> list[dict[str, Any]]:
        """Waits until so many events came on a channel."""
        return wait_until(lambda: len(self.channels[channel].events) >= count and self.channels[channel].events, f"{count} events on {channel}")

    def stop(self) -> None:
        """Disconnects for good."""
        self._stopped.set()
        with self._lock:
            if self._socket is not None:
                self._socket.finish()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the client does not end"

    # the life of a connection

    def _to(self, state: str) -> None:
        if self.state != state:
            self.state = state
            self.states.append(state)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                wait = {"now": 0.0, "later": self.times.retry, "stop": -1.0}[self._live()]
                if wait < 0 or self._stopped.is_set():
                    self._to("disconnected")
                    return
                self._stopped.wait(wait)
        except BaseException as error:  # noqa: BLE001, shown by the next wait
            self.failure = error

    def _live(self) -> str:
        """One connection from its beginning to its end; what to do then."""
        if self.state == "connected":
            self._offline_since = time.monotonic()
        self._to("unavailable" if time.monotonic() - self._offline_since > self.times.unavailable else "connecting")
        try:
            socket = self._connect()
        except (OSError, EOFError, AssertionError):
            return "later"
        with self._lock:
            self._socket = socket
        try:
            return self._read(socket)
        except (OSError, EOFError):
            self.codes.append(None)
            return "later"
        finally:
            with self._lock:
                self._socket = None
                for channel in self.channels.values():
                    channel.subscribed = False
                if self.state == "connected":
                    self._to("connecting")
                    self._offline_since = time.monotonic()
            socket.close()

    def _connect(self) -> WebSocket:
        socket = WebSocket(self.port, f"/app/{self.key}?protocol=7&client=js&version=8.4.0&flash=false", upgrade=False, timeout=2)
        try:
            request, key = upgrade_request(socket.path, self.port)
            socket.send(request)
            while b"\r\n\r\n" not in socket.buffer and socket.fill(2):
                pass
            socket.expect_upgrade(key)
        except BaseException:
            socket.close()
            raise
        return socket

    def _read(self, socket: WebSocket) -> str:
        activity, pinged_at, heard_at = self.times.activity, 0.0, time.monotonic()
        while True:
            due = pinged_at + self.times.pong if pinged_at else heard_at + activity
            parsed = frames.parse(socket.buffer)
            if parsed is None:
                try:
                    if not socket.fill(min(max(due - time.monotonic(), 0.001), 0.2)):
                        self.codes.append(None)
                        return "later"
                    heard_at, pinged_at = time.monotonic(), 0.0
                except TimeoutError:
                    if self._stopped.is_set():
                        return "stop"
                    if time.monotonic() < due:
                        continue
                    if pinged_at:
                        return "now"  # nobody is there
                    if self.state == "connected":
                        self._send({"event": "pusher:ping", "data": {}})
                    self.pings += 1
                    pinged_at = time.monotonic()
                continue
            got, size = parsed
            del socket.buffer[:size]
            if got.opcode == PING:
                socket.send(frames.frame(frames.PONG, got.payload))
            elif got.opcode == CLOSE:
                socket.send_if_open(frames.close(got.code if got.payload else None))
                self.codes.append(got.code if got.payload else None)
                return action_of_close(self.codes[-1])
            elif got.opcode == TEXT:
                message = json.loads(got.payload)
                if self.state != "connected":
                    if message["event"] == "pusher:error":
                        code = _data(message)["code"]
                        self.codes.append(code)
                        return action_of_close(code)
                    assert message["event"] == "pusher:connection_established", f"the first message is {message}"
                    activity = min(self.times.activity, float(_data(message)["activity_timeout"]))
                    assert activity > 0, "No activity timeout specified in handshake"
                    self._established(_data(message)["socket_id"])
                else:
                    self._take(message)

    def _established(self, socket_id: str) -> None:
        with self._lock:
            self.socket_ids.append(socket_id)
            self._to("connected")
            for channel in self.channels.values():
                self._subscribe(channel)
            if self.user is not None:
                data = json.dumps(self.user, separators=(",", ":"))
                self._send({"event": "pusher:signin", "data": {"auth": user_auth(socket_id, data), "user_data": data}})

    def _subscribe(self, channel: Channel) -> None:
        data: dict[str, str] = {"auth": ""}
        if channel.name.startswith(("private-", "presence-")):
            data = dict(self.authorize(self.socket_ids[-1], channel.name))
        channel.auths.append(data["auth"])
        self._send({"event": "pusher:subscribe", "data": {**data, "channel": channel.name}})

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.send_if_open(frames.frame(TEXT, json.dumps(message, separators=(",", ":"))))

    def _take(self, message: dict[str, Any]) -> None:
        event, channel = message["event"], self.channels.get(message.get("channel", ""))
        if event == "pusher:ping":
            if self.answers_pings:
                self._send({"event": "pusher:pong", "data": {}})
        elif event == "pusher:pong":
            pass
        elif event == "pusher:error":
            self.errors.append(_data(message))  # told only: what drives pusher-js is the close frame
        elif event == "pusher:signin_success":
            self.signed_in.append(json.loads(_data(message)["user_data"])["id"])
            own = f"#server-to-user-{self.signed_in[-1]}"
            with self._lock:
                self._subscribe(self.channels.setdefault(own, Channel(own)))
        elif channel is None:
            self.unknown.append(message)
        elif event == "pusher_internal:subscription_succeeded":
            channel.confirmations.append(_data(message))
            channel.subscribed = True
        else:
            channel.events.append(message)


def _data(message: dict[str, Any]) -> Any:
    """`data`, decoded where it is a string."""
    data = message.get("data")
    return json.loads(data) if isinstance(data, str) else data
