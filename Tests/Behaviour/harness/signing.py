"""Auth strings of channels and users, as an application makes them."""

from __future__ import annotations

import hashlib
import hmac

from .node import APP_KEY, APP_SECRET


def sign(text: str, secret: str | None) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new((secret or APP_SECRET).encode(), text.encode(), hashlib.sha256).hexdigest()


def channel_auth(socket_id: str, channel: str, channel_data: str | None = None, *, key: str = APP_KEY, secret: str | None = None) -> str:
    """The right to subscribe."""
    return f"{key}:" + sign(f"{socket_id}:{channel}" + ("" if channel_data is None else f":{channel_data}"), secret)


def user_auth(socket_id: str, user_data: str, *, key: str = APP_KEY, secret: str | None = None) -> str:
    """The right to be a user."""
    return f"{key}:" + sign(f"{socket_id}::user::{user_data}", secret)
