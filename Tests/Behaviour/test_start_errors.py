"""What keeps a node from starting, or will keep it from reloading, is said with its remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ONE_OF_EACH, is_sanitized
from harness import secure
from harness.client import wait_until
from harness.node import USUAL, Settings, Variant, binary


def refusal(*flags: str) -> str:
    """What a start says that ends with an error."""
    ended = subprocess.run([str(binary()), "start", "--port", "0", "--admin-socket", "off", *flags], capture_output=True, text=True, timeout=60)
    assert ended.returncode not in (0, -9), ended
    return ended.stderr


def test_missing_user() -> None:
    assert "useradd --system clarion-nobody" in refusal("--user", "clarion-nobody")


def test_missing_file_of_applications(tmp_path: Path) -> None:
    text = refusal("--apps-file", str(tmp_path / "none.toml"))
    assert "No such file" in text and "apps = []" in text and "apps_file" in text, text


def test_wrong_json_has_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "apps.json"
    path.write_text('[\n {"id": oops}]')
    assert f"{path}:2: not JSON from column 9 on" in refusal("--apps-file", str(path))


def test_address_of_nobody() -> None:
    text = refusal("--host", "192.0.2.1")
    assert "192.0.2.1" in text and "no interface of this machine has that address" in text, text


def test_certificate_that_is_no_pem(tmp_path: Path) -> None:
    path = tmp_path / "one.pem"
    path.write_bytes(b"\x30\x82\x01\x01")
    text = refusal("--tls-cert", str(path), "--tls-key", str(path))
    assert str(path) in text and "PEM is wanted" in text and "openssl x509 -inform DER" in text, text


def test_import_does_not_overwrite(tmp_path: Path) -> None:
    source, target = tmp_path / ".env", tmp_path / "clarion.toml"
    source.write_text("REVERB_APP_ID=a\nREVERB_APP_KEY=k\nREVERB_APP_SECRET=s\n")
    target.write_text("mine")
    ended = subprocess.run([str(binary()), "config", "import-reverb", str(source), "--output", str(target)], capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0 and "not overwritten" in ended.stderr and target.read_text() == "mine", ended


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer opens files of its own")
@pytest.mark.variants(ONE_OF_EACH)
def test_key_that_a_reload_cannot_read(start, variant: Variant, tmp_path: Path) -> None:
    """Read as root at the start, not readable as the user that the node becomes: said at once, not at the first renewal."""
    certificate, key = (str(path) for path in secure.usual())
    copy = tmp_path / "key.pem"
    shutil.copy(key, copy)
    copy.chmod(0o600)
    node = start(USUAL.with_flags("--tls-cert", certificate, "--tls-key", str(copy), "--user", "daemon", "--admin-socket", "off"), variant, wait=False)
    wait_until(lambda: '"ready"' in node.output(), "it serves", timeout=60)
    lines = [line for line in node.output().splitlines() if "a reload will not be able to read a file" in line]
    assert any(str(copy) in line and "daemon" in line for line in lines), node.output()


@pytest.mark.variants(ONE_OF_EACH)
def test_file_of_applications_that_is_emptied(start, variant: Variant, tmp_path: Path) -> None:
    """An empty file is refused and changes nothing; `apps = []` is taken, with a warning that nobody can connect any more."""
    path = tmp_path / "apps.toml"

    def put(text: str) -> None:
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", path)

    put('[[apps]]\nid = "one"\nkey = "one-key"\nsecret = "one-secret"\n')
    node = start(Settings(flags=("--apps-file", str(path), "--log-format", "json")), variant)
    put("")
    wait_until(lambda: "there are no [[apps]]; write apps = []" in node.output(), "it is refused", timeout=60)
    assert "no application is left" not in node.output()
    put("apps = []\n")
    wait_until(lambda: "no application is left" in node.output(), "it is taken, with a warning", timeout=60)
    node.check_alive()
