"""What the behaviour suite drives a node with: processes, raw sockets, frames, signed requests, metrics.

Nothing here is a WebSocket library: every byte that goes out is written by a test, and every byte that comes back is
read as it came.
"""
