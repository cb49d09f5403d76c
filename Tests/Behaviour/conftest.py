"""Fixtures: nodes on both backends with one and with four workers, shared by tests with the same settings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import secure  # noqa: E402
from harness.client import close_all, wait_until  # noqa: E402
from harness.node import BASE, USUAL, VARIANTS, Node, Pool, Settings, Variant, binary, is_sanitized  # noqa: E402

ONE_OF_EACH = [Variant("uring", 1), Variant("epoll", 1)]
MANY_OF_EACH = [Variant("uring", 4), Variant("epoll", 4)]


def pytest_sessionstart(session: pytest.Session) -> None:
    if not binary().exists() and not session.config.option.collectonly:
        pytest.exit(f"there is no program {binary()}: build it, or set CLARION_BIN", returncode=3)


@pytest.fixture(scope="session")
def pool():
    """Running nodes. At the end each must leave with status 0 and without a report of a sanitizer."""
    pool = Pool()
    yield pool
    problems = pool.close()
    assert not problems, "\n\n".join(problems)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`variant` takes all four variants, unless the test is marked with others: `@pytest.mark.variants(list)`."""
    if "variant" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("variants")
        metafunc.parametrize("variant", marker.args[0] if marker else VARIANTS, ids=str, scope="session")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "variants(list): the backends and worker counts on which to run")
    config.addinivalue_line("markers", "plain: speaks TCP by hand, or looks at how it arrives; left out over TLS")
    config.addinivalue_line("markers", "settings(Settings): how the node of the test is started")


OVER_TLS = ("test_frames", "test_handshake", "test_http", "test_lifecycle", "test_metrics", "test_pusher", "test_pusher_http", "test_realtime",
            "test_slow_readers")
"""What runs over TLS when `CLARION_TLS` is 1. The rest has clients of its own, or measures."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Over TLS: what its clients can do, apart from what a test is marked for."""
    if not secure.EVERYWHERE:
        return
    for item in items:
        if item.path.stem not in OVER_TLS or item.get_closest_marker("plain"):
            item.add_marker(pytest.mark.skip(reason="not over TLS"))


@pytest.fixture
def node(request: pytest.FixtureRequest, pool: Pool, variant: Variant):
    """A shared node with the settings of `@pytest.mark.settings`, by default `USUAL`. It must survive the test."""
    marker = request.node.get_closest_marker("settings")
    node = pool.get(marker.args[0] if marker else USUAL, variant)
    yield node
    leave(node)


def leave(node: Node) -> None:
    """Ends what a test left on a shared node. It must be alive, and know that nobody is there any more (hardening 4.15)."""
    close_all()
    node.check_alive()
    wait_until(lambda: empty(node), f"{node} is empty again")


def empty(node: Node) -> bool:
    """No WebSocket, no subscription, no channel."""
    metrics = node.metrics()
    return not any(metrics.families[f"clarion_{name}"].samples[0][2] for name in ("sockets_open", "subscriptions", "channels", "home_channels"))


@pytest.fixture
def start(request: pytest.FixtureRequest):
    """Starts nodes that belong to one test."""
    started: list[Node] = []

    def run(settings: Settings = USUAL, variant: Variant = VARIANTS[0], **options) -> Node:
        node = Node(settings, variant, **options)
        started.append(node)
        return node

    yield run
    close_all()
    for node in started:
        node.kill()


@pytest.fixture
def every_node(pool: Pool, request: pytest.FixtureRequest):
    """One node of each variant at the same time, for tests that mostly wait."""
    marker = request.node.get_closest_marker("settings")
    nodes = [pool.get(marker.args[0] if marker else USUAL, variant) for variant in VARIANTS]
    yield nodes
    for node in nodes:
        leave(node)


__all__ = ["BASE", "MANY_OF_EACH", "ONE_OF_EACH", "USUAL", "is_sanitized"]
