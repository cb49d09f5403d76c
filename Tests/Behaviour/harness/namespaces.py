"""Two network namespaces with a cable between them, so that a peer can go without a word: no FIN, no RST."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from typing import Iterator

CLONE_NEWNET = 0x40000000
NODE_ADDRESS, PEER_ADDRESS = "10.77.0.1", "10.77.0.2"
LIBC = ctypes.CDLL(None, use_errno=True)


class Impossible(Exception):
    """There are no namespaces to be had here; the text says why."""


def ip(*arguments: str) -> None:
    """Runs `ip`."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise Impossible(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def enter(descriptor: int) -> None:
    """Puts the calling thread into a namespace; sockets and processes that it makes from now on are there."""
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise Impossible(f"setns: {os.strerror(ctypes.get_errno())}")


class Cable:
    """The namespaces `node` and `peer`. The thread that made it is in `node` until `remove`."""

    def __init__(self) -> None:
        if shutil.which("ip") is None:
            raise Impossible("there is no program ip (Debian package iproute2)")
        self.node, self.peer = f"clarion-node-{os.getpid()}", f"clarion-peer-{os.getpid()}"
        self.descriptors: list[int] = []
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            for name in (self.node, self.peer):
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
                self.descriptors.append(os.open(f"/run/netns/{name}", os.O_RDONLY))
            ip("-n", self.node, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.peer)
            for name, address in ((self.node, NODE_ADDRESS), (self.peer, PEER_ADDRESS)):
                ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
                ip("-n", name, "link", "set", "cable", "up")
            enter(self.descriptors[0])
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Takes it all away."""
        enter(self.home)
        for descriptor in [*self.descriptors, self.home]:
            os.close(descriptor)
        for name in (self.node, self.peer):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    @contextlib.contextmanager
    def at_the_peer(self) -> Iterator[None]:
        """What is opened within is at the far end."""
        enter(self.descriptors[1])
        try:
            yield
        finally:
            enter(self.descriptors[0])

    def pull(self) -> None:
        """Nothing gets through any more, in either direction."""
        ip("-n", self.peer, "link", "set", "cable", "down")

    def mute(self) -> None:
        """Nothing that the peer sends gets through, acknowledgements included, until `unmute`."""
        ip("-n", self.peer, "route", "add", "blackhole", f"{NODE_ADDRESS}/32")

    def unmute(self) -> None:
        """It gets through again."""
        ip("-n", self.peer, "route", "delete", "blackhole", f"{NODE_ADDRESS}/32")
