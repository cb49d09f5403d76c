"""TLS for the suite: certificates made by openssl, and the switch that runs all tests over TLS (`CLARION_TLS=1`)."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import tempfile
from functools import cache
from pathlib import Path

EVERYWHERE = os.environ.get("CLARION_TLS", "") == "1"
"""Whether nodes speak TLS on their port, and clients with them, without a test saying so."""


def make(folder: Path, name: str, *, key: str = "ec", hosts: tuple[str, ...] = ("localhost",), options: tuple[str, ...] = (),
         issuer: str | None = None, dates: tuple[str, str] | None = None) -> tuple[Path, Path]:
    """A certificate and its key: `name`.pem and `name`.key, signed by themselves or by another one made here."""
    certificate, secret, request = folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.csr"
    kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}
    names = "subjectAltName=" + ",".join(("IP:" if host[0].isdigit() else "DNS:") + host for host in hosts)
    run("req", "-new", "-newkey", *kinds[key], "-nodes", "-keyout", secret, "-out", request, "-subj", f"/CN={hosts[0]}")
    extensions = folder / f"{name}.ext"
    extensions.write_text("\n".join((names, *options)) + "\n")
    if dates is None:
        signer = ["-signkey", secret] if issuer is None else ["-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial"]
        run("x509", "-req", "-in", request, "-days", "90", "-sha256", "-extfile", extensions, *signer, "-out", certificate)
    else:  # only `openssl ca` sets both dates
        (folder / "index.txt").write_text("")
        (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\n"
                                       "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        run("ca", "-batch", "-config", folder / "ca.cnf", "-selfsign", "-keyfile", secret, "-in", request, "-out", certificate, "-notext",
            "-startdate", dates[0], "-enddate", dates[1], "-extfile", extensions)
    return certificate, secret


def run(*arguments: object) -> str:
    """Runs openssl; its output. A failure is one of the test."""
    ended = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, f"openssl {' '.join(map(str, arguments))}: {ended.stderr}"
    return ended.stdout


@cache
def usual() -> tuple[Path, Path]:
    """The certificate and the key of nodes that are started over TLS throughout."""
    return make(Path(tempfile.mkdtemp(prefix="clarion-tls-")), "usual", hosts=("localhost", "127.0.0.1"))


@cache
def context() -> ssl.SSLContext:
    """A client that does not look whose certificate it is."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def flags() -> tuple[str, ...]:
    """What makes a node speak TLS."""
    certificate, key = usual()
    return ("--tls-cert", str(certificate), "--tls-key", str(key))


def wrap(connection: socket.socket, name: str | None = None, with_context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """Speaks TLS on a connected socket."""
    return (with_context or context()).wrap_socket(connection, server_hostname=name)
