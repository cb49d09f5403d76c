#!/usr/bin/env python3
"""A peer for wsbench: uWebSockets' C++ core, driven through socketify (PyPI, needs Debian libuv1).

Speaks the JSON protocol on /ws (subscribe, publish; subscribers get the text alone), as much of the Pusher protocol on
/app/app-key as a client event needs, and echoes on /echo. Python runs once per message that a client sends, never per
delivery, and only slices bytes; the fan-out is uWebSockets' own. With BENCH_DEFLATE=1 it compresses for clients that
offer it, with one compressor for all.
Usage: uws_socketify.py PORT [CERTIFICATE KEY]
"""
import os
import sys

from socketify import App, AppListenOptions, AppOptions, CompressOptions, OpCode

PUBLISH = b'{"action":"publish"'
SUBSCRIBE = b'{"action":"subscribe"'
MESSAGE = b'"message":"'
ESTABLISHED = (
    b'{"event":"pusher:connection_established",'
    b'"data":"{\\"socket_id\\":\\"1.1\\",\\"activity_timeout\\":120}"}')
SUBSCRIBED = b'{"event":"pusher_internal:subscription_succeeded","channel":"%s","data":"{}"}'


def field(message, key):
    """The text of a string member without escapes, by slicing."""
    start = message.index(key) + len(key)
    return message[start:message.index(b'"', start)]


def on_message(ws, message, opcode):
    if not isinstance(message, bytes):
        message = message.encode()
    if message.startswith(PUBLISH):
        channel = field(message, b'"channel":"')
        start = message.index(MESSAGE) + len(MESSAGE)
        app.publish(channel, message[start:-2], OpCode.TEXT, DEFLATES)
    elif message.startswith(SUBSCRIBE):
        ws.subscribe(field(message, b'"channel":"').decode())


def on_pusher_open(ws):
    ws.send(ESTABLISHED, OpCode.TEXT)


def on_pusher(ws, message, opcode):
    if not isinstance(message, bytes):
        message = message.encode()
    channel = field(message, b'"channel":"')
    if message.startswith(b'{"event":"client-'):
        app.publish(channel, message, OpCode.TEXT, DEFLATES)
    elif message.startswith(b'{"event":"pusher:subscribe"'):
        ws.subscribe(channel.decode())
        ws.send(SUBSCRIBED % channel, OpCode.TEXT)


def on_echo(ws, message, opcode):
    ws.send(message, opcode)


DEFLATES = os.environ.get("BENCH_DEFLATE") == "1"
port = int(sys.argv[1])
app = App(AppOptions(cert_file_name=sys.argv[2], key_file_name=sys.argv[3])) if len(sys.argv) > 3 else App()
common = {
    "compression": CompressOptions.SHARED_COMPRESSOR if DEFLATES else CompressOptions.DISABLED,
    "max_payload_length": 16 * 1024 * 1024,
    "idle_timeout": 120,
    "max_backpressure": 64 * 1024 * 1024,
}
app.ws("/ws", {**common, "message": on_message})
app.ws("/app/app-key", {**common, "open": on_pusher_open, "message": on_pusher})
app.ws("/echo", {**common, "message": on_echo})
app.listen(AppListenOptions(port=port, host="127.0.0.1"), lambda config: print("listening", flush=True))
app.run()
