"""Several listeners, Unix-domain sockets, and whose word about clients is believed (hardening row 1.12)."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from conftest import ONE_OF_EACH
from harness import secure
from harness.client import HOST, RawSocket, wait_until
from harness.node import BASE, Node, Settings, Variant, binary, free_port

pytestmark = pytest.mark.variants(ONE_OF_EACH)
REQUEST = b"GET /echo/address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"
BALANCER = "127.0.0.9"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TRUSTING = BASE.with_flags("--trusted-proxies", "127.0.0.8/29 2001:db8::/32")
PROXIED = TRUSTING.with_flags("--proxy-protocol")


def address(node: Node, before: bytes = b"", fields: bytes = b"", source: str | None = BALANCER) -> str:
    """Whom the node takes a client for."""
    with node.raw(source=source) as connection:
        connection.send(before + REQUEST % fields)
        return connection.read_response().body.decode().strip()


def version2(family: int, block: bytes, command: int = 0x21, length: int | None = None) -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack(">BBH", command, family, len(block) if length is None else length) + block


def four(client: str, port: int = 5000) -> bytes:
    return socket.inet_aton(client) + socket.inet_aton("192.0.2.1") + struct.pack(">HH", port, 80)


def six(client: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, client) + bytes(16) + struct.pack(">HH", 5000, 80)


@pytest.mark.settings(PROXIED)
def test_1_12_proxy_headers(node: Node) -> None:
    """Both versions, whole and cut at every byte, name the client."""
    for header, wanted in (
            (b"PROXY TCP4 198.51.100.7 192.0.2.1 5000 80\r\n", "198.51.100.7"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 80\r\n", "2001:db8::7"),
            (b"PROXY UNKNOWN\r\n", BALANCER), (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", BALANCER),
            (version2(0x11, four("198.51.100.8")), "198.51.100.8"),
            (version2(0x21, six("2001:db8::8")), "2001:db8::8"),
            (version2(0x11, four("198.51.100.9") + b"\x03\x00\x04abcd" + b"\xee\x00\x00"), "198.51.100.9"),
            (version2(0x00, b"", 0x20), BALANCER), (version2(0x00, b"", 0x21), BALANCER), (version2(0x11, four("198.51.100.1"), 0x20), BALANCER)):
        assert address(node, header) == wanted, header
        with node.raw(source=BALANCER) as connection:
            connection.send_bytewise(header + REQUEST % b"", 0.0002)
            assert connection.read_response().body.decode().strip() == wanted


@pytest.mark.settings(PROXIED)
def test_1_12_wrong_proxy_headers(node: Node) -> None:
    """Who is trusted must send a header, and a correct one; what follows a wrong one is not looked at."""
    wrong = [REQUEST % b"", b"PROXY TCP4 198.51.100.7 192.0.2.1 5000 80\n", b"PROXY TCP4 198.51.100.7 192.0.2.1 5000\r\n",
             b"PROXY TCP4 198.51.100.7 192.0.2.1 05000 80\r\n", b"PROXY TCP4 198.51.100.7 192.0.2.1 70000 80\r\n",
             b"PROXY TCP4 2001:db8::7 2001:db8::1 5000 80\r\n", b"PROXY TCP6 198.51.100.7 192.0.2.1 5000 80\r\n",
             b"PROXY TCP4  198.51.100.7 192.0.2.1 5000 80\r\n", b"PROXY TCP4 198.51.100.007 192.0.2.1 1 2\r\n", b"PROXY TCP4 x y 1 2\r\n",
             b"PROXY TCP4 198.51.100.7 192.0.2.1 5000 80 \r\n", b"PROXY " + b"x" * 200, b"PROXY UNKNOWN" + b" " * 94 + b"\r\n", b"\r\n\r\n",
             b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n", SIGNATURE[:-1] + b"\x0b" + bytes(4), version2(0x11, four("1.1.1.1"), 0x11),
             version2(0x11, four("1.1.1.1"), 0x22), version2(0x11, four("1.1.1.1")[:-1]), version2(0x21, four("1.1.1.1")), version2(0x41, bytes(40)),
             version2(0x11, bytes(217)), version2(0x11, b"", length=0xFFFF), version2(0x11, four("1.1.1.1") + b"\x01"),
             version2(0x11, four("1.1.1.1") + b"\x01\x00\x09abc")]
    before = node.metrics().closes("proxyHeader")
    for header in wrong:
        with node.raw(source=BALANCER) as connection:
            connection.send_if_open(header + REQUEST % b"")
            assert connection.read_rest() == b"", header
    for part in (b"", b"PROXY TCP4 1", SIGNATURE[:5]):
        with node.raw(source=BALANCER) as connection:  # 2 s
            connection.send(part)
            connection.expect_end()
    wait_until(lambda: node.metrics().closes("proxyHeader") >= before + len(wrong) + 3, "each is counted")


@pytest.mark.settings(PROXIED)
def test_1_12_strangers_headers(node: Node) -> None:
    """Who is not trusted speaks for himself: the socket's address counts, and a header is no request."""
    assert address(node, source=None) == HOST
    assert address(node, fields=b"X-Forwarded-For: 198.51.100.7\r\n", source=None) == HOST
    for header in (b"PROXY TCP4 198.51.100.7 192.0.2.1 5000 80\r\n", version2(0x11, four("198.51.100.7"))):
        with node.raw() as connection:
            connection.send(header + REQUEST % b"")
            assert connection.read_response().status == 400


@pytest.mark.settings(TRUSTING)
def test_1_12_forwarded_for(node: Node) -> None:
    """The last address that is none of the trusted ones is the client; what stands before it may be forged, and what is no address
    ends the trail."""
    for fields, wanted in (
            (b"", BALANCER), (b"X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7"), (b"x-forwarded-FOR:198.51.100.7, 127.0.0.10\r\n", "198.51.100.7"),
            (b"X-Forwarded-For: 203.0.113.1, 198.51.100.7\r\n", "198.51.100.7"),
            (b"X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 198.51.100.7, 127.0.0.11\r\n", "198.51.100.7"),
            (b"X-Forwarded-For: 198.51.100.7:1234\r\n", "198.51.100.7"), (b"X-Forwarded-For: [2001:dead::7]:1234, 2001:db8::1\r\n", "2001:dead::7"),
            (b"X-Forwarded-For: 198.51.100.7, unknown\r\n", BALANCER), (b"X-Forwarded-For: 198.51.100.7,\r\n", BALANCER),
            (b"X-Forwarded-For: 198.51.100.7, 127.0.0.10:x\r\n", BALANCER), (b"X-Forwarded-For: \r\n", BALANCER),
            (b"X-Forwarded-For: 1.2.3.4.5\r\n", BALANCER), (b"X-Forwarded-For: 127.0.0.10, 127.0.0.11\r\n", "127.0.0.10"),
            (b"Forwarded: for=198.51.100.7\r\n", BALANCER), (b"X-Forwarded-For: " + b"127.0.0.10," * 100 + b"127.0.0.11\r\n", "127.0.0.10")):
        assert address(node, fields=fields) == wanted, fields


@pytest.mark.settings(BASE)
def test_1_12_nobody_is_trusted_by_default(node: Node) -> None:
    """Without the setting no address is asked for and no field believed."""
    assert address(node, fields=b"X-Forwarded-For: 198.51.100.7\r\n") == "unknown"


def test_several_listeners(start, variant: Variant, tmp_path: Path) -> None:
    """Plain, TLS, and Unix-domain sockets at the same time; the name of the socket goes with the node, and one that was left is
    replaced."""
    path, port = tmp_path / "node.sock", free_port()
    certificate, key = secure.usual()
    (tmp_path / "node.toml").write_text(f"""
        [tls]
        cert = "{certificate}"
        key = "{key}"
        [[listeners]]
        host = "{HOST}"
        port = {port}
        [[listeners]]
        socket = "{path}"
        proxy_protocol = true
        """)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    node = start(BASE.with_flags("--config", str(tmp_path / "node.toml"), "--tls-cert", str(certificate)), Variant(variant.backend, 4))
    with node.raw(tls=True) as one, RawSocket(port, tls=False) as other:
        for connection in (one, other):
            connection.send(b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.read_response().status == 200
    for number in range(20):
        with socket.socket(socket.AF_UNIX) as local:
            local.settimeout(20)
            local.connect(str(path))
            local.sendall(b"PROXY TCP4 198.51.100.%d 192.0.2.1 5000 80\r\n" % number + REQUEST % b"")
            answer = b""
            while piece := local.recv(4096):
                answer += piece
            assert answer.endswith(b"198.51.100.%d\n" % number), answer
    second = subprocess.run([str(binary()), "start", "--port", "0", "--config", str(tmp_path / "node.toml")], capture_output=True, text=True, timeout=30)
    assert second.returncode == 1 and "Address already in use" in second.stderr, second.stderr
    node.stop_clean()
    assert not path.exists()


def test_wrong_listeners(tmp_path: Path) -> None:
    """Each with a sentence, before anything is opened."""
    certificate, key = secure.usual()
    tls = f'[tls]\ncert = "{certificate}"\nkey = "{key}"\n'
    for text, said in (
            ("[[listeners]]\ntls = true\nport = 1", "listener 1 speaks TLS, but there is no tls.cert"),
            ("[[listeners]]\n", "listener 1 needs either a port or a socket"),
            ('[[listeners]]\nport = 1\nsocket = "x"', "listener 1 needs either a port or a socket"),
            ("[[listeners]]\nprot = 1", "there is no setting prot; did you mean port?"), ("listeners = 3", "listeners must be written as [[listeners]]"),
            ("[[listeners]]\nport = 1\n" * 8, "at most 7 listeners"), ("proxy_protocol = true", "proxy_protocol needs trusted_proxies"),
            ('trusted_proxies = ["10.0.0.0/33"]', "trusted_proxies cannot be"), ('trusted_proxies = ["here"]', "trusted_proxies cannot be"),
            (tls + 'client_auth = "required"', "tls.client_auth and tls.client_ca need each other"),
            (tls + 'ocsp = ["a", "b"]', "tls.ocsp must have as many files")):
        (tmp_path / "node.toml").write_text(text)
        ended = subprocess.run([str(binary()), "config", "--config", str(tmp_path / "node.toml")], capture_output=True, text=True, timeout=30)
        assert ended.returncode == 78 and said in ended.stderr, ended.stderr
