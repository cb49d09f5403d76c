"""The Pusher protocol from a client's and from an application's side, by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import quote

from .client import PATIENCE, Response, WebSocket
from .node import APP_ID, APP_KEY, APP_SECRET, Node


def dumps(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def data_of(message: dict[str, Any]) -> Any:
    """The data of a message, decoded when it is a string that holds JSON."""
    data = message.get("data")
    if isinstance(data, str):
        try:
            return json.loads(data)
        except ValueError:
            return data
    return data


class PusherClient(WebSocket):
    """A WebSocket on /app/{key}."""

    def __init__(self, node: Node, *, key: str = APP_KEY, query: str = "protocol=7&client=js&version=8.4.0&flash=false",
                 establish: bool = True, **options: Any) -> None:
        super().__init__(node.port, f"/app/{key}" + (f"?{query}" if query else ""), **options)
        self.socket_id = ""
        if establish:
            first = self.read_json()
            assert first["event"] == "pusher:connection_established", first
            assert isinstance(first["data"], str), "the data of connection_established is a string"
            data = json.loads(first["data"])
            self.socket_id, self.activity_timeout = data["socket_id"], data["activity_timeout"]

    def event(self, event: str, data: Any = None, channel: str | None = None, **more: Any) -> None:
        """Sends an event."""
        message: dict[str, Any] = {"event": event}
        if data is not None:
            message["data"] = data
        if channel is not None:
            message["channel"] = channel
        self.json(message | more)

    def subscribe(self, *channels: str, confirm: bool = True) -> None:
        """Subscribes to public channels and waits for the confirmations."""
        for channel in channels:
            self.event("pusher:subscribe", {"auth": "", "channel": channel})
        if confirm:
            waiting = set(channels)
            while waiting:
                got = self.read_json()
                if got["event"] == "pusher_internal:subscription_succeeded":
                    assert got["data"] == "{}", got
                    waiting.discard(got["channel"])

    def read_event(self, name: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next message, which has to have this event name."""
        got = self.read_json(timeout)
        assert got["event"] == name, f"wanted {name}, got {got}"
        return got

    def read_error(self, code: int) -> dict[str, Any]:
        """The next message, which has to be pusher:error with this code."""
        got = self.read_event("pusher:error")
        data = data_of(got)
        assert data["code"] == code, got
        assert isinstance(data["message"], str) and data["message"], got
        return got

    def sync(self) -> list[dict[str, Any]]:
        """Sends pusher:ping and returns the messages that came before the pong."""
        self.event("pusher:ping", {})
        before = []
        while (got := self.read_json())["event"] != "pusher:pong":
            before.append(got)
        return before


def signature(method: str, path: str, query: dict[str, Any], secret: str = APP_SECRET) -> str:
    """The signature over the decoded parameters (Pusher HTTP API)."""
    text = "\n".join([method, path, "&".join(f"{k.lower()}={query[k]}" for k in sorted(query, key=str.lower))])
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signed_target(method: str, path: str, body: bytes = b"", query: dict[str, Any] | None = None, *, key: str = APP_KEY,
                  secret: str = APP_SECRET, timestamp: int | None = None, override: dict[str, str | None] | None = None) -> str:
    """Path and query of a signed request. `override` changes or (None) removes parameters behind the signing."""
    parameters: dict[str, Any] = dict(query or {})
    parameters |= {"auth_key": key, "auth_timestamp": str(int(time.time()) if timestamp is None else timestamp), "auth_version": "1.0"}
    if body:
        parameters["body_md5"] = hashlib.md5(body).hexdigest()
    parameters["auth_signature"] = signature(method, path, parameters, secret)
    for name, value in (override or {}).items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = value
    return path + "?" + "&".join(f"{k}={quote(str(v), safe='')}" for k, v in parameters.items())


def api(node: Node, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None, *, app: str = APP_ID,
        **options: Any) -> Response:
    """A signed request. `path` is relative to /apps/{id}; a body that is not bytes becomes JSON."""
    payload = b"" if body is None else body if isinstance(body, bytes) else dumps(body).encode()
    target = signed_target(method, f"/apps/{app}{path}", payload, query, **options)
    return node.request(method, target, payload, {"Content-Type": "application/json"} if payload else None)


def trigger(node: Node, channel: str | list[str], event: str = "my-event", data: Any = "{\"hello\":\"world\"}", **more: Any) -> Response:
    """POST /events."""
    body = {"name": event, "data": data if isinstance(data, str) else dumps(data)}
    body["channels" if isinstance(channel, list) else "channel"] = channel  # type: ignore[assignment]
    return api(node, "POST", "/events", body | more)
