"""The process itself (hardening 7.4 to 7.6): it drops privileges and confines itself, and everything works all the same.

What fails in a confined process is shown by `SandboxTests` and `RestrictedRingTests`, which confine themselves and try. Tests of
other files run here once more, on nodes in the sandbox; `CLARION_SANDBOX=on make behaviour` runs all of them so."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import harness.node
from harness import secure
from harness.client import wait_until
from harness.node import BASE, Node, Settings, Variant, binary, is_sanitized
from harness.pusher import PusherClient
from test_admin import TestCommands, own, place  # noqa: F401
from test_dashboard import TestDashboard  # noqa: F401
from test_listeners import test_several_listeners  # noqa: F401
from test_memory_budget import test_4_12_last_step, test_4_12_twice_what_it_can_bear  # noqa: F401
from test_reload import (application, configured, lines, reload, test_a_watched_file,  # noqa: F401
                         test_applications_come_change_and_go, test_reload_by_the_admin_socket, write)
from test_restart import test_6_6_service_manager, test_6_6_stuck_worker  # noqa: F401
from test_stores import servers, store, test_the_life_of_an_application  # noqa: F401
from test_tls import test_reload as test_certificates_reload  # noqa: F401
from test_webhooks import receiver, test_channels_that_fill_and_empty  # noqa: F401

# A sanitizer's own work (tracing at the end, mapping its shadow) is what a sandbox forbids.
pytestmark = pytest.mark.skipif(is_sanitized(), reason="not under a sanitizer")
SOME = [Variant("uring", 4), Variant("epoll", 1)]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(autouse=True)
def confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every node of this file is in the sandbox."""
    monkeypatch.setattr(harness.node, "EVERYWHERE", harness.node.SANDBOX)


def statuses(node: Node) -> list[dict[str, str]]:
    """/proc/PID/status of each thread."""
    found = []
    for task in Path(f"/proc/{node.process.pid}/task").iterdir():
        text = (task / "status").read_text()
        found.append({name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())})
    return found


@pytest.mark.variants(SOME)
def test_7_4_every_thread_is_confined(start, variant: Variant) -> None:
    """Also those that come later; and one line says what holds."""
    node = start(BASE, variant)
    with node.echo() as client:
        client.text("hello")
        assert client.read_message() == b"hello"
    wait_until(lambda: lines(node, "ready"), "the node says that it is ready")
    (told,) = lines(node, "confined")
    assert told["system_calls"].startswith("seccomp, ") and told["core_dumps"] == "none"
    assert told["io_uring"] == ("operations of a worker" if variant.backend == "uring" else "none")
    assert told.get("files", "").startswith("Landlock") or lines(node, "files are not confined: the kernel has no Landlock")
    threads = statuses(node)
    assert len(threads) > variant.workers
    assert all(thread["Seccomp"] == "2" and thread["NoNewPrivs"] == "1" for thread in threads), threads
    node.stop_clean()


@pytest.mark.variants(SOME)
def test_7_4_files_outside_are_refused(start, variant: Variant, tmp_path: Path) -> None:
    """A configuration that comes later cannot make the node read what it could not at its start: here, by a link."""
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    path = folder / "clarion.toml"
    write(path, application("one"))
    node = start(configured(path), variant)
    wait_until(lambda: lines(node, "ready"), "the node says that it is ready")
    if not lines(node, "confined")[0].get("files"):
        pytest.skip("the kernel has no Landlock")
    write(path, application("one"), application("two"))
    assert reload(node)["apps_added"] == "two"
    shutil.move(path, elsewhere / "clarion.toml")
    path.symlink_to(elsewhere / "clarion.toml")
    assert reload(node)["event"] == "reload refused" and "cannot be read" in lines(node, "reload refused")[-1]["problem"]
    node.check_alive()
    node.stop_clean()


@needs_root
@pytest.mark.variants(SOME)
@pytest.mark.parametrize("sandbox", ["off", "on"])
def test_7_4_privileges_are_dropped(start, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: str) -> None:
    """The key is root's, the port is bound by root, and then the process is nobody, in every thread, without a way back."""
    monkeypatch.setattr(harness.node, "EVERYWHERE", ("--sandbox", sandbox))
    certificate, key = secure.make(tmp_path, "own", hosts=("own.example",))
    key.chmod(0o600)
    place, port = tmp_path / "admin.sock", privileged_port()
    flags = ("--user", "nobody", "--tls-cert", str(certificate), "--tls-key", str(key), "--admin-socket", str(place))
    node = start(BASE.with_flags(*flags), variant, port=port)
    wait_until(lambda: lines(node, "ready"), "the node says that it is ready")
    assert lines(node, "confined")[0]["user"] == "nobody"
    for thread in statuses(node):
        assert "0" not in thread["Uid"].split() + thread["Gid"].split() and "0" not in thread["Groups"].split(), thread
        assert int(thread["CapEff"], 16) == int(thread["CapPrm"], 16) == 0 and thread["NoNewPrivs"] == "1"
    with node.echo() as client:
        client.text("hello")
        assert client.read_message() == b"hello"
    # Root commands it, as before.
    said = subprocess.run([str(binary()), "status", "--socket", str(place)], capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said.stderr
    # What only root may read cannot be read again, and the node goes on with what it has.
    reload(node)
    wait_until(lambda: "certificates not reloaded" in node.output(), "the node says that it keeps its certificate")
    node.check_alive()
    node.stop_clean()


def privileged_port() -> int:
    """A port below 1024 that is free."""
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


@pytest.mark.parametrize("user, told", [("clarion-nobody-has-this-name", "there is no user"), ("root", "is root"), ("a:b", "user cannot be 'a:b'")])
def test_7_4_users_that_cannot_be(user: str, told: str) -> None:
    result = subprocess.run([str(binary()), "start", "--port", "0", "--user", user], capture_output=True, text=True, timeout=30)
    assert result.returncode != 0 and told in result.stderr, result.stderr


@needs_root
def test_7_4_only_root_can_become_somebody(tmp_path: Path) -> None:
    """Who is not root is told so at once, by a program that has not opened a port."""
    result = subprocess.run([str(binary()), "start", "--port", "0", "--user", "daemon"], capture_output=True, text=True, timeout=30,
                            user="nobody", cwd="/")
    assert result.returncode == 1 and "only root can become user daemon" in result.stderr, result.stderr


def test_7_6_no_core_dump(start) -> None:
    """A crash of a confined node leaves no core, however large one may be."""
    def unlimited() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)

    node = start(BASE, SOME[0], before_exec=unlimited)
    client = PusherClient(node)
    assert client.is_alive()

    def is_dead() -> bool:
        # The runtime catches the first signal for its report, and lets the next one through.
        os.kill(node.process.pid, signal.SIGABRT)
        return os.waitid(os.P_PID, node.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    wait_until(is_dead, "the process has died")
    assert os.waitid(os.P_PID, node.process.pid, os.WEXITED | os.WNOWAIT).si_code == os.CLD_KILLED
