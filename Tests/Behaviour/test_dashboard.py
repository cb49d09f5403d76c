"""/dashboard: the password, the page's requests, and what they may do."""

from __future__ import annotations

import base64
import json

import pytest

from harness.client import wait_until
from harness.node import APP_ID, USUAL, Node, Variant
from harness.pusher import PusherClient

PASSWORD = "a pass:word \u00e4"
WITH_DASHBOARD = USUAL.with_flags("--dashboard-password", PASSWORD, "--admin-socket", "off")
EACH_BACKEND = [Variant("uring", 4), Variant("epoll", 1)]


def basic(user: str = "admin", password: str = PASSWORD, scheme: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{scheme} " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def ask(node: Node, request: dict, *, marked: bool = True, fields: dict[str, str] | None = None, method: str = "POST"):
    head = {"Content-Type": "application/json", **(basic() if fields is None else fields)}
    if marked:
        head["X-Clarion-Dashboard"] = "1"
    return node.request(method, "/dashboard/api", json.dumps(request).encode(), head)


@pytest.mark.variants(EACH_BACKEND)
@pytest.mark.settings(WITH_DASHBOARD)
class TestDashboard:
    def test_page_needs_the_password(self, node: Node) -> None:
        answer = node.request("GET", "/dashboard")
        assert answer.status == 401 and "Basic" in answer.fields["www-authenticate"]
        answer = node.request("GET", "/dashboard", fields=basic())
        assert answer.status == 200 and b"<title>Clarion dashboard</title>" in answer.body
        assert answer.fields["cache-control"] == "no-store" and answer.fields["x-frame-options"] == "DENY"
        assert PASSWORD.encode() not in answer.body and b"app-secret" not in answer.body
        assert node.request("GET", "/dashboard", fields=basic(scheme="bAsIc")).status == 200
        assert node.request("PUT", "/dashboard", fields=basic()).status == 405

    @pytest.mark.parametrize("fields", [
        basic(user="root"), basic(password="wrong"), basic(password=""), {"Authorization": "Bearer x"},
        {"Authorization": "Basic"}, {"Authorization": "Basic !!!"}], ids=range(6))
    def test_wrong_passwords(self, node: Node, fields: dict[str, str]) -> None:
        assert node.request("GET", "/dashboard", fields=fields).status in (401, 429)
        assert ask(node, {"command": "status"}, fields=fields).status in (401, 429)

    def test_guessing_is_slowed_down(self, node: Node) -> None:
        wait_until(lambda: node.request("GET", "/dashboard", fields=basic()).status == 200, "no guessing is under way")
        seen = {node.request("GET", "/dashboard", fields=basic(password=str(n))).status for n in range(60)}
        assert seen == {401, 429}
        wait_until(lambda: node.request("GET", "/dashboard", fields=basic()).status == 200, "the right one is taken again")

    def test_requests_of_other_sites_are_refused(self, node: Node) -> None:
        wait_until(lambda: node.request("GET", "/dashboard", fields=basic()).status == 200, "no guessing is under way")
        assert ask(node, {"command": "status"}, marked=False).status == 403
        assert ask(node, {"command": "status"}, method="GET").status in (400, 405)

    def test_commands(self, node: Node) -> None:
        wait_until(lambda: node.request("GET", "/dashboard", fields=basic()).status == 200, "no guessing is under way")
        client = PusherClient(node)
        client.subscribe("seen")
        status = ask(node, {"command": "status"}).json()
        assert status["totals"]["sockets"] == 1 and status["apps"][0]["id"] == APP_ID
        assert ask(node, {"command": "channels"}).json()["channels"] == [{"app": APP_ID, "channel": "seen", "subscriptions": 1}]
        watch = ask(node, {"command": "watch", "prefix": "se"}).json()["watch"]

        def published():
            assert ask(node, {"command": "publish", "channel": "seen", "event": "e", "data": "d"}).json()["subscriptions"] == 1
            assert client.read_event("e")["data"] == "d"
            return ask(node, {"command": "take", "watch": watch}).json()["messages"]
        assert wait_until(published, "the watch shows it")[0]["channel"] == "seen"
        assert ask(node, {"command": "take", "watch": watch, "end": True}).status == 200
        assert "ended" in ask(node, {"command": "take", "watch": watch}).json()["error"]
        assert ask(node, {"command": "kick", "socket": client.socket_id}).json() == {"kicked": 1}
        client.expect_close(4009)

    @pytest.mark.parametrize("command", ["drain", "reload", "restart", "tail", "fly", 7, None])
    def test_what_only_the_admin_socket_may(self, node: Node, command) -> None:
        assert ask(node, {"command": command}).status == 400

    def test_watches_are_bounded(self, node: Node) -> None:
        answers = [ask(node, {"command": "watch"}).json() for _ in range(12)]
        assert any("too many" in answer.get("error", "") for answer in answers)
        for answer in answers:
            if "watch" in answer:
                ask(node, {"command": "take", "watch": answer["watch"], "end": True})


@pytest.mark.variants(EACH_BACKEND)
def test_there_is_none_without_a_password(node: Node) -> None:
    assert node.request("GET", "/dashboard", fields=basic()).status == 404
