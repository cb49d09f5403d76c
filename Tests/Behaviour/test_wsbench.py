"""wsbench against the node: every command, connections shared out to processes, and one clear sentence for what cannot be."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from harness.client import wait_until
from harness.node import APP_ID, APP_KEY, APP_SECRET, BASE, REPOSITORY, Node, Variant, binary, free_port

WSBENCH = Path(os.environ.get("WSBENCH_BIN") or REPOSITORY / ".build" / "release" / "wsbench")
SECONDS_MAX = 120
GOOD, FAULTS, IMPOSSIBLE, REFUSED, MISUSE = 0, 1, 2, 3, 64

pytestmark = [
    pytest.mark.skipif(not WSBENCH.exists(), reason="wsbench is not built"),
    pytest.mark.settings(BASE.with_flags("--realtime-publish")),
    pytest.mark.variants([Variant("uring", 1), Variant("epoll", 4)]),
]


def wsbench(*arguments: str, descriptors: int | None = None) -> subprocess.CompletedProcess:
    limit = f"ulimit -n {descriptors}; " if descriptors else ""
    return subprocess.run(["bash", "-c", f'{limit}exec "$@"', "wsbench", str(WSBENCH), *arguments], capture_output=True, text=True,
                          timeout=SECONDS_MAX)


def measure(node: Node, command: str, *arguments: str, descriptors: int | None = None) -> dict:
    """A run whose deliveries are right. On a busy machine the numbers may be refused as wsbench's own; that is right, too."""
    application = [] if command == "mix" else ["--app-id", APP_ID, "--app-key", APP_KEY, "--app-secret", APP_SECRET]
    run = wsbench(command, *arguments, *application, "--url", f"ws://127.0.0.1:{node.port}", "--server-pid", str(node.process.pid),
                  "--json", "-", descriptors=descriptors)
    assert run.returncode in (GOOD, REFUSED), f"{run.returncode}\n{run.stderr}\n{run.stdout[:2000]}"
    result = json.loads(run.stdout)
    report = result["report"] | {"intervals": result["intervals"]}
    assert run.returncode == GOOD or "wsbench: refused: " in run.stderr
    for part in [report, *report["parts"]]:
        assert part["lost"] == part["doubled"] == part["reordered"] == part["disconnected"] == 0
    return report


QUICK = ("--duration", "0.4", "--warmup", "0.1", "--connections", "20")


@pytest.mark.parametrize("arguments", [
    ("fanout", "--window", "4"), ("fanout", "--rate", "200", "--threads", "2"), ("fanout", "--burst", "--window", "8"),
    ("fanout", "--protocol", "pusher", "--rate", "100"), ("fanout", "--protocol", "pusher", "--kind", "private", "--channels", "3"),
    ("rooms", "--rooms", "5", "--rate", "100"), ("echo", "--window", "2"), ("echo", "--rate", "300", "--size", "5000"),
    ("publish", "--publishers", "2"), ("publish", "--publishers", "2", "--rate", "100", "--kind", "private"),
], ids=" ".join)
def test_loads(node: Node, arguments: tuple[str, ...]) -> None:
    report = measure(node, *arguments, *QUICK)
    assert report["delivered"] > 0 and report["deliveryRatio"] == 1
    assert report["latency"]["count"] > 0 and report["serviceLatency"]["count"] > 0
    assert report["connectLatency"]["count"] == 20 and report["handshakesPerSecond"] > 0
    if arguments[0] == "publish":
        assert report["publishLatency"]["count"] >= report["published"] and report["publishFailures"] == 0


@pytest.mark.variants([Variant("epoll", 1)])
def test_pings_are_answered(start, variant: Variant) -> None:
    """Subscribers of Pusher channels that only listen stay for longer than the node lets those who do not answer."""
    node = start(BASE.with_environment(REVERB_APP_PING_INTERVAL="3"), variant)
    report = measure(node, "fanout", "--protocol", "pusher", "--rate", "10", "--duration", "8", "--warmup", "0.1", "--connections", "5")
    assert report["delivered"] > 0


def test_latency_counts_from_the_intended_time(node: Node) -> None:
    """Service latency leaves out what a message waited before it was sent, so it is never the longer one."""
    report = measure(node, "fanout", "--rate", "2000", *QUICK)
    for percentile in ("p50", "p99", "max"):
        assert report["serviceLatency"][percentile] <= report["latency"][percentile] * 1.01 + 1


def test_churn(node: Node) -> None:
    for protocol in ("pusher", "json"):
        report = measure(node, "churn", "--protocol", protocol, "--rate", "200", "--churn-rate", "100", *QUICK)
        assert report["churn"]["subscribed"] > 0 and report["churn"]["afterEnd"] == 0 and report["delivered"] > 0


def test_storm(node: Node) -> None:
    report = measure(node, "storm", "--duration", "2", "--warmup", "0.1", "--after", "0.3", "--connections", "50", "--drop", "60")
    storm = report["storm"]
    assert 0 < storm["dropped"] < 50 and storm["returned"] == storm["dropped"]
    assert storm["secondsUntilAllBack"] > 0 and storm["upFailures"] == 0


def test_slow(node: Node) -> None:
    report = measure(node, "slow", "--duration", "0.6", "--warmup", "0.1", "--connections", "20", "--slow", "20", "--read-rate", "500",
                     "--rate", "200", "--size", "400")
    assert report["slow"]["readers"] == 4
    assert report["deliveryRatio"] == 1 and report["delivered"] > 0


def test_idle(node: Node) -> None:
    report = measure(node, "idle", "--connections", "30", "--settle", "0.1", "--duration", "1.2")
    assert report["memory"]["connectedBytes"] > 0
    assert any("serverResidentBytes" in each and each["serverDescriptors"] > 0 for each in report["intervals"])


def test_ramp(node: Node) -> None:
    report = measure(node, "idle", "--connections", "60", "--connect-rate", "100", "--jitter", "0.5", "--settle", "0", "--duration", "0.1")
    assert report["rampSeconds"] > 0.3 and report["handshakesPerSecond"] < 200


@pytest.mark.variants([Variant("uring", 1)])
def test_processes(node: Node) -> None:
    """More connections than one process may have are shared out, and the sums are those of all."""
    report = measure(node, "fanout", "--connections", "300", "--rate", "50", "--duration", "1", "--warmup", "0.2", descriptors=200)
    assert report["processes"] >= 3
    assert report["latency"]["count"] == pytest.approx(report["delivered"], abs=900)
    assert report["delivered"] == pytest.approx(300 * report["published"], abs=900)
    refused = wsbench("fanout", "--connections", "300", "--processes", "1", "--url", f"ws://127.0.0.1:{node.port}", descriptors=200)
    assert refused.returncode == IMPOSSIBLE and "--processes" in refused.stderr


@pytest.mark.variants([Variant("uring", 1)])
def test_probe_and_mix(node: Node, tmp_path: Path) -> None:
    report = measure(node, "fanout", "--rate", "100", "--probe", "2", *QUICK)
    assert report["parts"][0]["name"] == "probe" and report["parts"][0]["latency"]["count"] > 0
    file = tmp_path / "mix.json"
    file.write_text(json.dumps({
        "duration": 0.5, "warmup": 0.1, "seed": 5, "app-id": APP_ID, "app-key": APP_KEY, "app-secret": APP_SECRET,
        "parts": [{"scenario": "fanout", "connections": 10, "rate": 50}, {"scenario": "echo", "connections": 4, "name": "talkers"}]}))
    report = measure(node, "mix", str(file))
    assert report["delivered"] > 0 and report["parts"][0]["name"] == "talkers" and report["parts"][0]["delivered"] > 0
    file.write_text('{"parts": [{"scenario": "fanout", "conections": 1}]}')
    run = wsbench("mix", str(file))
    assert run.returncode == MISUSE and "conections" in run.stderr


@pytest.mark.variants([Variant("uring", 1)])
def test_find_max(node: Node) -> None:
    run = wsbench("fanout", "--find-max", "--slo", "p50=500ms", "--rate", "100", "--precision", "100", "--url", f"ws://127.0.0.1:{node.port}",
                  "--json", "-", "--size", "60", "--connections", "5", "--duration", "0.3", "--warmup", "0.1")
    report = json.loads(run.stdout)["report"]
    assert len(report["maximum"]["steps"]) > 1
    assert run.returncode in (GOOD, FAULTS, REFUSED) and ("rate" in report["maximum"] or run.returncode != GOOD)


def sentence(run: subprocess.CompletedProcess, *words: str) -> None:
    """One line on standard error, nothing on standard output."""
    assert run.returncode == IMPOSSIBLE and run.stdout == "", run.stdout
    assert run.stderr.startswith("wsbench: ") and run.stderr.count("\n") == 1, run.stderr
    for word in words:
        assert word in run.stderr, run.stderr


@pytest.mark.variants([Variant("uring", 1)])
def test_what_cannot_be(node: Node) -> None:
    at = f"ws://127.0.0.1:{node.port}"
    sentence(wsbench("fanout", "--url", f"ws://127.0.0.1:{free_port()}"), "nobody listens", "--url")
    sentence(wsbench("fanout", "--url", "ws://no.such.host.invalid"), "has no address")
    sentence(wsbench("fanout", "--url", f"{at}/nope"), "404", "check the path")
    sentence(wsbench("echo", "--url", f"{at}/ws", "--connections", "1"), "did not echo")
    sentence(wsbench("fanout", "--protocol", "pusher", "--app-key", "wrong", "--url", at), "--app-key")
    private = ("fanout", "--protocol", "pusher", "--kind", "private", "--app-id", APP_ID, "--app-key", APP_KEY, "--url", at)
    sentence(wsbench(*private, "--app-secret", "wrong"), "--app-secret")
    sentence(wsbench("fanout", "--window", "0", "--url", at), "--window")
    sentence(wsbench("storm", "--window", "1", "--url", at), "--rate")
    sentence(wsbench("fanout", "--connections", "30", "--url", at, descriptors=40), "ulimit -n")
    sentence(wsbench("fanout", "--server-pid", "4194303", "--url", at), "--server-pid")
    for bad in (("fanout", "--url", "http://a"), ("fanout", "--window", "1", "--rate", "1"), ("nonsense",), ("fanout", "--slo", "fast")):
        run = wsbench(*bad)
        assert run.returncode != GOOD and run.stderr, bad


@pytest.mark.variants([Variant("uring", 1)])
def test_a_server_that_speaks_otherwise(node: Node) -> None:
    """Neither HTTP nor an answer at all leaves wsbench hanging."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(60)

        def answer() -> None:
            connection = server.accept()[0]
            connection.sendall(b"SSH-2.0-nothing\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        sentence(wsbench("fanout", "--url", f"ws://127.0.0.1:{server.getsockname()[1]}"), "does not speak HTTP")
        thread.join()
        sentence(wsbench("fanout", "--url", f"ws://127.0.0.1:{server.getsockname()[1]}"), "did not answer")


@pytest.mark.variants([Variant("uring", 1)])
@pytest.mark.settings(BASE)
def test_clients_may_not_publish(node: Node) -> None:
    """The node answers subscriptions, but no message comes: said with a remedy, and not a result."""
    run = wsbench("fanout", "--connections", "3", "--url", f"ws://127.0.0.1:{node.port}", "--json", "-")
    assert run.returncode == FAULTS
    report = json.loads(run.stdout)["report"]
    assert report["unsubscribed"] == 3 and "--realtime-publish" in report["failure"]


def test_help() -> None:
    commands = ["fanout", "rooms", "echo", "publish", "churn", "presence", "storm", "slow", "idle", "mix"]
    listed = wsbench("--help").stdout
    for command in commands:
        run = wsbench(command, "--help")
        assert run.returncode == GOOD and "--url" in run.stdout and command in listed


def takes(flag: str) -> bool:
    """Whether the node has a setting: the features below come with the node's side of them."""
    return flag in subprocess.run([str(binary()), "start", "--help"], capture_output=True, text=True).stdout


@pytest.mark.variants([Variant("uring", 1)])
@pytest.mark.settings(BASE.with_flags("--realtime-publish"))
def test_compression(node: Node) -> None:
    if not takes("--deflate"):
        pytest.skip("the node does not compress")
    for offer in ("on", "permessage-deflate; server_no_context_takeover; server_max_window_bits=10"):
        report = measure(node, "fanout", "--rate", "100", "--size", "400", "--deflate", offer, *QUICK)
        compression = report["compression"]
        assert compression["connections"] == 20 and 0 < compression["wireBytes"] < compression["payloadBytes"]
        assert report["delivered"] > 0 and report["deliveryRatio"] == 1
    report = measure(node, "echo", "--size", "40000", "--deflate", "on", *QUICK)
    assert report["compression"]["wireBytes"] < report["compression"]["payloadBytes"]


@pytest.mark.variants([Variant("uring", 1)])
def test_tls(variant: Variant, tmp_path: Path) -> None:
    if not takes("--tls-cert"):
        pytest.skip("the node does not speak TLS")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    port = free_port()
    node = subprocess.Popen([str(binary()), "start", "--port", str(port), "--workers", "1", "--backend", variant.backend, "--realtime-publish",
                             "--echo", "--app-id", APP_ID, "--app-key", APP_KEY, "--app-secret", APP_SECRET, "--tls-cert", certificate,
                             "--tls-key", key], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), "the node listens")
        at = ("--url", f"wss://127.0.0.1:{port}", "--json", "-", *QUICK)
        application = ("--app-id", APP_ID, "--app-key", APP_KEY, "--app-secret", APP_SECRET)
        for arguments in (("fanout", "--window", "4", "--ca", str(certificate)), ("echo", "--size", "50000"), ("publish", *application),
                          ("churn", "--rate", "100", "--resume", "100", *application)):
            run = wsbench(*arguments, *at)
            assert run.returncode in (GOOD, REFUSED), run.stderr
            report = json.loads(run.stdout)["report"]
            assert report["delivered"] > 0 and report["lost"] == 0 and "resumedHandshakes" in report
        sentence(wsbench("fanout", *at, "--ca", "/etc/ssl/certs/ca-certificates.crt"), "TLS handshake", "--ca")
        sentence(wsbench("fanout", "--url", f"wss://127.0.0.1:{port}", "--ca", str(key)), "certificates")
    finally:
        node.terminate()
        node.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
