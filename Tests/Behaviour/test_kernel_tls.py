"""Kernel TLS: where the kernel has it, WebSockets over TLS 1.3 are sent to by it and nothing else changes; where it has not, the
node says so and encrypts by itself. `Tools/kernel-tls-vm` runs this file on a kernel that has it."""

from __future__ import annotations

import os
import ssl
import subprocess

import pytest

from conftest import ONE_OF_EACH
from harness import frames
from harness.client import HOST, upgrade_request, wait_until
from harness.node import Node, Variant, binary
from test_tls import TLS, client, stop_reading_for_a_while

BOTH = pytest.mark.variants(ONE_OF_EACH)
MUST = os.environ.get("KERNEL_TLS_VM", "") == "1"
"""Whether this kernel is known to have it."""


def said(node: Node) -> dict:
    """What the node said about it at its start."""
    found: list[dict] = []

    def look() -> bool:
        found[:] = [line for line in node.log_lines() if line.get("event") == "kernel TLS"]
        return bool(found)

    wait_until(look, "the node has said whether it uses kernel TLS")
    return found[0]


def on_kernel(start, variant: Variant, *flags: str) -> Node:
    """A node on kernel TLS. Skips where there is none."""
    usual = TLS.with_flags("--limits-slow-consumer-seconds", "60", *flags)
    # By itself it is not used on kernels that may have a fault.
    node = start(usual, variant)
    line = said(node)
    if line["used"] == "yes" or "CVE" not in line["why"]:
        assert line["used"] == "yes" or not MUST, line
        if line["used"] == "yes":
            return node
    node.stop_clean()
    if not MUST:
        pytest.skip("the kernel has no kernel TLS, or may have it with a fault")
    return start(usual.with_flags("--tls-kernel", "on"), variant)


def kernel_connections(node: Node) -> float:
    return node.metrics().value("tls_kernel_connections")


@BOTH
def test_the_kernel_is_asked_once_and_tls_works_either_way(start, variant: Variant) -> None:
    """The log tells what was found, with the reason; connections work, and the count of those on kernel TLS agrees with it."""
    node = start(TLS, variant)
    line = said(node)
    assert line["used"] in ("yes", "no") and line["why"]
    reader = node.realtime("room", tls=client(ssl.TLSVersion.TLSv1_3))
    node.heard(reader, "room")
    publisher = node.realtime()
    for number in range(50):
        publisher.json({"action": "publish", "channel": "room", "message": f"{number}"})
    assert [reader.read_message().decode() for _ in range(50)] == [f"{number}" for number in range(50)]
    assert (kernel_connections(node) > 0) == (line["used"] == "yes")
    assert node.metrics().value("tls_kernel_refused_total") == 0
    node.stop_clean()


@BOTH
def test_off_is_off(start, variant: Variant) -> None:
    """Nothing is tried and nothing said."""
    node = start(TLS.with_flags("--tls-kernel", "off"), variant)
    assert node.echo().is_alive()
    assert kernel_connections(node) == 0
    assert [line for line in node.log_lines() if line.get("event") == "kernel TLS"] == []
    node.stop_clean()


@BOTH
def test_on_does_not_start_without(start, variant: Variant) -> None:
    """One clear sentence, with what to do."""
    node = start(TLS, variant)
    line = said(node)
    node.stop_clean()
    if line["used"] == "yes" or MUST:
        node = start(TLS.with_flags("--tls-kernel", "on"), variant)
        assert said(node)["why"] == "asked for"
        assert node.echo().is_alive()
        return node.stop_clean()
    flags = TLS.with_flags("--tls-kernel", "on").flags
    try:
        ended = subprocess.run([str(binary()), "start", "--host", HOST, "--port", "0", "--backend", variant.backend, *flags],
                               capture_output=True, text=True, timeout=60 if "CVE" not in line["why"] else 10)
    except subprocess.TimeoutExpired:
        assert "CVE" in line["why"], line
        return pytest.skip("the kernel has kernel TLS, perhaps with a fault")
    assert ended.returncode == 1, ended
    assert "tls.kernel is on, and cannot be had: the kernel" in ended.stdout + ended.stderr
    return None


# On a kernel that has it


@BOTH
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_which_connections(start, variant: Variant, version: ssl.TLSVersion) -> None:
    """WebSockets of TLS 1.3 go to the kernel; requests do not; what is over is counted off."""
    node = on_kernel(start, variant)
    friend = node.echo(tls=client(version))
    assert friend.is_alive()
    wanted = 1 if version == ssl.TLSVersion.TLSv1_3 else 0
    assert kernel_connections(node) == wanted
    for size in (0, 1, 125, 126, 16_384, 16_385, 65_536, 1_000_000):
        friend.text(b"x" * size)
        assert friend.read_message() == b"x" * size
    friend.say_goodbye()
    wait_until(lambda: kernel_connections(node) == 0, "the end is counted")
    node.stop_clean()


@BOTH
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_each_suite(start, variant: Variant, suite: str) -> None:
    """All three are made by the kernel."""
    node = on_kernel(start, variant)
    process = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"{HOST}:{node.port}", "-tls1_3", "-ciphersuites", suite],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(upgrade_request("/echo", node.port)[0])
    process.stdin.flush()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += process.stdout.read(1)
    for number in range(20):
        text = f"{number}".encode() * 50
        process.stdin.write(frames.frame(frames.TEXT, text))
        process.stdin.flush()
        assert process.stdout.read(2 + len(text))[2:] == text
    assert kernel_connections(node) == 1
    process.kill()
    process.communicate()
    node.stop_clean()


@BOTH
def test_a_reader_that_stops(start, variant: Variant) -> None:
    """What a full socket does not take waits in the log, and everything arrives when the reader goes on."""
    node = on_kernel(start, variant, "--limits-log-bytes-max", "64MiB")
    reader = stop_reading_for_a_while(node)
    # One that was full once is told the end by its alert, and everything before it arrives.
    reader.say_goodbye()
    node.stop_clean()


@BOTH
def test_many_readers(start, variant: Variant) -> None:
    """A circle sends them the shared bytes."""
    node = on_kernel(start, variant)
    readers = [node.realtime("room", tls=client(ssl.TLSVersion.TLSv1_3)) for _ in range(40)]
    node.heard(readers[-1], "room")
    publisher = node.realtime()
    for number in range(100):
        publisher.json({"action": "publish", "channel": "room", "message": f"{number}" * 40})
    for reader in readers:
        assert [reader.read_message().decode() for _ in range(100)] == [f"{number}" * 40 for number in range(100)]
    assert kernel_connections(node) >= len(readers)
    node.stop_clean()


@BOTH
def test_the_end_is_told(start, variant: Variant) -> None:
    """A close_notify before TCP's end, which a client of OpenSSL would otherwise call an unexpected end."""
    node = on_kernel(start, variant)
    friend = node.echo(tls=client(ssl.TLSVersion.TLSv1_3))
    assert friend.is_alive() and kernel_connections(node) == 1
    friend.socket.suppress_ragged_eofs = False
    friend.send(frames.frame(frames.CLOSE, b"\x03\xe8"))
    assert friend.read_frame() is not None
    assert friend.socket.recv(1) == b""
    node.stop_clean()


@BOTH
def test_a_wrong_record_is_answered_by_an_alert(start, variant: Variant) -> None:
    """The alert is a record of its own kind, made by the kernel."""
    node = on_kernel(start, variant)
    friend = node.echo(tls=client(ssl.TLSVersion.TLSv1_3))
    assert friend.is_alive() and kernel_connections(node) == 1
    with os.fdopen(os.dup(friend.socket.fileno()), "wb", buffering=0) as raw:
        raw.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
        while friend.socket.recv(4096):
            pass
    wait_until(lambda: node.metrics().closes("secureFault") == 1, "the reason is counted")
    node.stop_clean()


@BOTH
def test_key_updates(start, variant: Variant) -> None:
    """The peer's own new key is followed. A new one of ours cannot be had: the connection ends in order, and the reason is told."""
    node = on_kernel(start, variant)

    def open_echo() -> subprocess.Popen:
        process = subprocess.Popen(["openssl", "s_client", "-connect", f"{HOST}:{node.port}", "-tls1_3"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(upgrade_request("/echo", node.port)[0])
        process.stdin.flush()
        wait_until(lambda: kernel_connections(node) == 1, "the kernel has it")
        return process

    def say(process: subprocess.Popen, letter: bytes) -> None:
        count = node.metrics().value("tls_key_updates_total")
        process.stdin.write(letter + b"\n")
        process.stdin.flush()
        wait_until(lambda: node.metrics().value("tls_key_updates_total") > count, "the update is seen")

    process = open_echo()
    for _ in range(3):
        say(process, b"k")
    assert kernel_connections(node) == 1
    say(process, b"K")
    process.wait(30)
    process.communicate()
    wait_until(lambda: node.metrics().closes("keysSpent") == 1 and kernel_connections(node) == 0, "the reason is counted")
    assert node.metrics().closes("secureFault") == 0
    node.stop_clean()


@BOTH
def test_sandboxed(start, variant: Variant) -> None:
    """The filter of system calls and the restrictions of the ring leave room for it."""
    node = on_kernel(start, variant, "--sandbox", "on")
    friend = node.echo(tls=client(ssl.TLSVersion.TLSv1_3))
    assert friend.is_alive() and kernel_connections(node) == 1
    friend.say_goodbye()
    node.stop_clean()
