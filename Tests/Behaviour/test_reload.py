"""Changes while the node runs (hardening 6.4, 6.5), dangerous switches (3.13), secrets (7.6), and the import from Laravel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.client import wait_until
from harness.node import Node, Settings, Variant, binary
from harness.pusher import PusherClient, api
from test_lifecycle import run

SOME = [Variant("uring", 4), Variant("epoll", 1)]


def write(path: Path, *apps: dict[str, Any], head: str = "") -> None:
    """A configuration with these applications."""
    text = head + "\n"
    for app in apps:
        text += "[[apps]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in app.items())
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    os.replace(temporary, path)


def application(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "key": f"{name}-key", "secret": f"{name}-secret", **more}


def configured(path: Path) -> Settings:
    return Settings(flags=("--config", str(path), "--log-format", "json"))


def status(node: Node, name: str, secret: str | None = None) -> int:
    return api(node, "GET", "/channels", app=name, key=f"{name}-key", secret=secret or f"{name}-secret").status


def lines(node: Node, event: str) -> list[dict[str, Any]]:
    return [line for line in node.log_lines() if line["event"] == event]


def reload(node: Node) -> dict[str, Any]:
    """Sends SIGHUP and returns the line that tells what became of it."""
    before = len(lines(node, "reloaded")) + len(lines(node, "reload refused"))
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(lines(node, "reloaded")) + len(lines(node, "reload refused")) > before, "the reload is told")
    return [line for line in node.log_lines() if line["event"] in ("reloaded", "reload refused")][-1]


def refusal(node: Node, key: str, **options: Any) -> int:
    client = PusherClient(node, key=key, establish=False, **options)
    code = json.loads(client.read_json()["data"])["code"]
    client.expect_close(code)
    return code


@pytest.mark.variants(SOME)
def test_applications_come_change_and_go(start, tmp_path: Path, variant: Variant) -> None:
    """Everything about applications changes without a restart; connections of those that stay stay."""
    path = tmp_path / "clarion.toml"
    write(path, application("one"), application("two"), head="[limits]\nhead_seconds = 5\n")
    node = start(configured(path), variant)
    one, two = [PusherClient(node, key="one-key") for _ in range(8)], [PusherClient(node, key="two-key") for _ in range(8)]
    for client in one + two:
        client.subscribe("same")
    write(path, application("one", secret="new-secret", allowed_origins=["good.example"], max_connections=9), application("three"),
          head="port = 1\n[limits]\nhead_seconds = 6\n")
    told = reload(node)
    assert told["event"] == "reloaded" and told["apps_added"] == "three" and told["apps_removed"] == "two" and told["apps_changed"] == "one"
    assert "limits.head_seconds" in told["applied"] and "port" not in told.get("applied", "")
    for client in two:
        _, closed = client.drain_to_close()
        assert closed is not None and closed.code == 4003
    assert refusal(node, "two-key") == 4001 and status(node, "two") == 404
    # One goes on, under new rules.
    assert all(client.is_alive() for client in one)
    assert status(node, "one") == 401 and status(node, "one", "new-secret") == 200
    assert refusal(node, "one-key") == 4009
    ninth = PusherClient(node, key="one-key", origin="https://good.example")
    assert refusal(node, "one-key", origin="https://good.example") == 4004
    assert status(node, "three") == 200 and ninth.is_alive()
    PusherClient(node, key="three-key").subscribe("same")
    # Switched off and on again; back under its old number.
    write(path, application("one", enabled=False), application("two"))
    reload(node)
    for client in one:
        _, closed = client.drain_to_close()
        assert closed is not None and closed.code == 4003
    assert refusal(node, "one-key") == 4003 and status(node, "one") == 403
    again = PusherClient(node, key="two-key")
    again.subscribe("same")
    assert api(node, "GET", "/channels", app="two", key="two-key", secret="two-secret").body == b'{"channels":{"same":{}}}'
    node.stop_clean()


def test_reload_by_the_admin_socket(start, tmp_path: Path) -> None:
    """`clarion reload` does what SIGHUP does, and tells what became of it."""
    path, place = tmp_path / "clarion.toml", tmp_path / "admin.sock"
    write(path, application("one"))
    node = start(Settings(flags=("--config", str(path), "--log-format", "json", "--admin-socket", str(place))), SOME[0])
    write(path, application("one"), application("two"), head="port = 1\n[limits]\nhead_seconds = 6\n")
    result = run("reload", "--socket", str(place), "--json")
    answer = json.loads(result.stdout)
    assert answer["appsAdded"] == ["two"] and answer["applied"] == ["limits.head_seconds"], result
    assert status(node, "two") == 200
    path.write_text("prot = 1")
    result = run("reload", "--socket", str(place))
    assert result.returncode == 1 and f"{path}:1: there is no setting prot; did you mean port?" in result.stderr
    status_text = run("status", "--socket", str(place), "--json").stdout
    assert '"two"' in status_text
    node.stop_clean()


def test_a_wrong_configuration_changes_nothing(start, tmp_path: Path) -> None:
    """Refused as a whole, with file, line and key; `clarion config` says the same before."""
    path = tmp_path / "clarion.toml"
    write(path, application("one"))
    node = start(configured(path), SOME[0])
    client = PusherClient(node, key="one-key")
    for wrong, told in [("port = ", ":1: not TOML"), ("prot = 1", ":1: there is no setting prot; did you mean port?"),
                        ("[limits]\nhead_seconds = 0", ":2: limits.head_seconds cannot be '0'"),
                        ("apps_file = \"/nonexistent\"", "/nonexistent: cannot be read")]:
        write(path, application("two"), head=wrong)
        line = reload(node)
        if "apps_file" in wrong:
            # Where applications come from is decided at the start.
            assert line["event"] == "reloaded" and "apps_file" in line["needs_restart"]
            write(path, application("one"))
            reload(node)
            client = PusherClient(node, key="one-key")
        else:
            assert line["event"] == "reload refused" and told in line["problem"], line
            assert client.is_alive() and status(node, "one") == 200 and status(node, "two") == 404
        judged = run("config", "--config", str(path)) if "apps_file" not in wrong else None
        if judged is not None:
            assert judged.returncode == 78 and told in judged.stderr
    path.unlink()
    assert "cannot be read" in reload(node)["problem"] and status(node, "one") == 200
    node.stop_clean()


@pytest.mark.parametrize("name", ["apps.toml", "apps.json"])
def test_a_watched_file(start, tmp_path: Path, name: str) -> None:
    """Its changes take effect by themselves; wrong ones do not."""
    path = tmp_path / name

    def put(*apps: dict[str, Any]) -> None:
        if name.endswith("json"):
            temporary = tmp_path / "new"
            temporary.write_text(json.dumps({"apps": list(apps)}, indent=1))
            os.replace(temporary, path)
        else:
            write(path, *apps)

    put(application("one"))
    node = start(Settings(flags=("--apps-file", str(path), "--log-format", "json")), SOME[0])
    client = PusherClient(node, key="one-key")
    put(application("one"), application("two", max_connections=0))
    wait_until(lambda: status(node, "two") == 200, "two is there")
    assert refusal(node, "two-key") == 4004 and client.is_alive()
    put(application("one"), application("one"))
    wait_until(lambda: lines(node, "applications not changed"), "the wrong file is told")
    assert f"{path}:" in lines(node, "applications not changed")[-1]["problem"]
    assert status(node, "two") == 200
    put(application("two"))
    _, closed = client.drain_to_close()
    assert closed is not None and closed.code == 4003
    node.stop_clean()


def test_a_pipe_in_the_place_of_a_file(start, tmp_path: Path) -> None:
    """6.4: is refused, and keeps nobody waiting: not the watch, not a reload, not the end."""
    path = tmp_path / "apps.toml"
    write(path, application("one"))
    node = start(Settings(flags=("--apps-file", str(path), "--log-format", "json")), SOME[0])
    path.unlink()
    os.mkfifo(path)
    wait_until(lambda: lines(node, "applications not changed"), "the pipe is told")
    assert "a pipe, not a file" in lines(node, "applications not changed")[-1]["problem"]
    assert status(node, "one") == 200
    path.unlink()
    write(path, application("one"), application("two"))
    wait_until(lambda: status(node, "two") == 200, "the file is back")
    path.unlink()
    os.mkfifo(path)
    node.stop_clean()
    refused = run("start", "--apps-file", str(path), "--port", "0")
    assert refused.returncode == 78 and "a pipe, not a file" in refused.stderr, refused


def test_in_production_dangerous_switches_stop_the_start(tmp_path: Path) -> None:
    """3.13: each is named with its remedy; elsewhere it is a loud line and a metric."""
    production = {"CLARION_ENVIRONMENT": "production", "CLARION_PORT": "0"}
    identity = {"CLARION_APP_ID": "a", "CLARION_APP_KEY": "b", "CLARION_APP_SECRET": "c"}
    for variables, named in [({}, "apps"), (identity | {"CLARION_ECHO": "true"}, "echo"),
                             (identity | {"CLARION_REALTIME_ALLOW_WITHOUT_SECRET": "true"}, "realtime.allow_without_secret"),
                             (identity | {"CLARION_REALTIME_ALLOWED_ORIGINS": "*"}, "realtime.allowed_origins"),
                             (identity | {"CLARION_AUTH_TIMESTAMP_TOLERANCE_SECONDS": "0"}, "auth_timestamp_tolerance_seconds")]:
        result = run("start", environment=production | variables)
        assert result.returncode == 78 and f"Error: {named}: " in result.stderr and "in production" in result.stderr, result


def test_dangers_are_counted(start) -> None:
    node = start(Settings(flags=("--echo", "--log-format", "json")), SOME[1])
    assert node.metrics().families["clarion_dangerous_settings"].samples[0][2] == 2


def test_secrets_stay_where_they_are(start, tmp_path: Path) -> None:
    """7.6: neither the log, nor the metrics, nor the command line show one, whatever is configured."""
    path = tmp_path / "clarion.toml"
    marker = "marker-9f2c"
    write(path, application("one", secret=f"{marker}-1"), head=f"[realtime]\nsecret = \"{marker}-2\"")
    with open(path, "a") as file:
        file.write(f"[[apps.webhooks]]\nurl = \"http://127.0.0.1:1/?token={marker}\"\nheaders = {{ Authorization = \"{marker}-3\" }}\n")
    node = start(Settings(flags=("--config", str(path), "--log-format", "json", "--log-level", "debug")), SOME[0])
    PusherClient(node, key="one-key").subscribe("c")
    api(node, "GET", "/channels", app="one", key="one-key", secret="wrong")
    reload(node)
    shown = run("config", "--config", str(path)).stdout + run("config", "--json", "--config", str(path)).stdout
    for text in (node.output(), node.request("GET", "/metrics").body.decode(), Path(f"/proc/{node.process.pid}/cmdline").read_text()):
        assert marker not in text
    assert f"{marker}-" not in shown
    node.stop_clean()
    assert marker not in node.output()


def test_import_reverb(start, tmp_path: Path) -> None:
    """A Laravel environment becomes a configuration that a node runs with."""
    environment = tmp_path / ".env"
    environment.write_text('APP_NAME="My App"\nBROADCAST_CONNECTION=reverb\nREVERB_APP_ID=256980\nREVERB_APP_KEY=f4l2tmwqf6eg0f6jz0mw\n'
                           'REVERB_APP_SECRET="zioqeto9xrytlnlg7sj6"\nREVERB_HOST=localhost\nREVERB_PORT=8080\nREVERB_SCHEME=http\n'
                           'REVERB_APP_MAX_CONNECTIONS=1\nREVERB_SCALING_ENABLED=true\nVITE_REVERB_APP_KEY="${REVERB_APP_KEY}"\n')
    output = tmp_path / "clarion.toml"
    result = run("config", "import-reverb", str(environment), "--output", str(output))
    assert result.returncode == 0 and "REVERB_SCALING_ENABLED" in result.stderr and output.stat().st_mode & 0o777 == 0o600
    node = start(configured(output), SOME[0])
    first = PusherClient(node, key="f4l2tmwqf6eg0f6jz0mw")
    assert refusal(node, "f4l2tmwqf6eg0f6jz0mw") == 4004 and first.is_alive()
    assert api(node, "GET", "/channels", app="256980", key="f4l2tmwqf6eg0f6jz0mw", secret="zioqeto9xrytlnlg7sj6").status == 200
    assert run("config", "import-reverb", str(environment), "--output", str(output)).returncode == 73
    environment.write_text("REVERB_APP_ID\n")
    assert f"{environment}:1: " in run("config", "import-reverb", str(environment)).stderr


def test_the_command_line_of_applications(tmp_path: Path) -> None:
    """Without a store it is a file of SQLite in the working directory."""
    def app(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(binary()), "app", *arguments], capture_output=True, text=True, timeout=30, cwd=tmp_path)

    assert app("list").returncode == 78
    made = json.loads(app("create", "--json").stdout)
    assert (tmp_path / "clarion.sqlite").stat().st_mode & 0o777 == 0o600
    shown = app("show", made["id"]).stdout
    assert made["key"] in shown and made["secret"] not in shown
    assert made["secret"] in app("show", made["id"], "--secret").stdout
    assert json.loads(app("rotate", made["id"], "--key", "--json").stdout)["key"] != made["key"]
    assert app("--store", "mysql://x").returncode == 64 and app("list", "--store", "mysql://x").returncode == 64
    assert app("list", "--store", "redis://127.0.0.1:1").returncode == 69
