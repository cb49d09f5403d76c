"""What wsbench makes of a result, as other programs see it: HdrHistogram's reader, Node as a browser without a screen."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from harness.node import Variant
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

HERE = Path(__file__).parent
WSBENCH = Path(os.environ.get("WSBENCH_BIN", HERE.parent.parent / ".build/release/wsbench"))
LOWEST, HIGHEST, DIGITS = 64, 300_000_000_000, 3

pytestmark = pytest.mark.skipif(not WSBENCH.exists(), reason=f"there is no program {WSBENCH}: build it, or set WSBENCH_BIN")


def histogram(values) -> HdrHistogram:
    recorded = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    for value in values:
        recorded.record_value(value)
    return recorded


def distribution(recorded: HdrHistogram) -> dict:
    at = {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9, "p9999": 99.99, "max": 100}
    values = {name: recorded.get_value_at_percentile(share) / 1e3 for name, share in at.items()}
    return {
        "count": recorded.get_total_count(), "mean": recorded.get_mean_value() / 1e3, "min": 0, **values,
        "histogram": recorded.encode().decode()}


def result(seed: int = 0, intervals: int = 10) -> dict:
    """A result as a run would write it, its histograms encoded by PyPI's hdrhistogram."""
    pieces, all_intended, all_service = [], histogram([]), histogram([])
    for index in range(intervals):
        intended = histogram((seed + index * 977 + step * step * 37) % 5_000_000 + 100_000 for step in range(500))
        service = histogram((seed + index * 977 + step * step * 37) % 2_000_000 + 100_000 for step in range(500))
        all_intended.add(intended)
        all_service.add(service)
        pieces.append({
            "atSeconds": index + 2.0, "seconds": 1.0, "phase": "measuring", "published": 50, "delivered": 500, "connections": 10,
            "errors": 0, "serverCPUShare": 0.5, "ownCPUShare": 0.25, "serverResidentBytes": 12_000_000 if index % 2 else None,
            "intended": intended.encode().decode(), "service": service.encode().decode()})
    delivered = 500 * intervals
    return {
        "schema": "wsbench/1",
        "scenario": {
            "name": "fanout", "dialect": "json", "url": "ws://127.0.0.1:1/ws", "connections": 10, "channels": 1, "messageBytes": 64,
            "perSecond": 50, "threads": 1, "warmupSeconds": 1},
        "environment": {
            "startedAt": "2026-01-02T03:04:05Z", "startedAtSeconds": 1767323045, "command": ["wsbench", "fanout"], "kernel": "6.1",
            "architecture": "x86_64", "processorsOnline": 2, "processorsUsable": 2},
        "seconds": float(intervals), "published": 50 * intervals, "delivered": delivered, "publishedPerSecond": 50,
        "deliveredPerSecond": 500, "expected": delivered,
        "latency": {"intended": distribution(all_intended), "service": distribution(all_service)}, "timings": [], "cost": {},
        "checks": dict.fromkeys(
            ["lost", "doubled", "reordered", "late", "invalidFrames", "foreign", "connectFailures", "unsubscribed", "disconnected",
             "refused"], 0),
        "intervals": pieces, "marks": [], "steps": [], "details": [], "parts": [], "verdict": {"isGood": True, "reasons": [], "notes": []}}


def wsbench(*arguments, status: int = 0) -> str:
    run = subprocess.run([WSBENCH, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert run.returncode == status, run.stdout + run.stderr
    return run.stdout + run.stderr


def write(path: Path, *results: dict) -> Path:
    path.write_text("\n".join(json.dumps(each) for each in results) + "\n")
    return path


def intervals_of(log: Path) -> dict[str, list[HdrHistogram]]:
    reader = HistogramLogReader(str(log), HdrHistogram(LOWEST, HIGHEST, DIGITS))
    found: dict[str, list[HdrHistogram]] = {}
    while (interval := reader.get_next_interval_histogram()) is not None:
        found.setdefault(interval.get_tag(), []).append(interval)
    return found


def check_log(log: Path, document: dict) -> None:
    """Every distribution of a result can be read from its log, and is the same there."""
    for tag, intervals in intervals_of(log).items():
        whole = document["connects"] if tag == "connect" else document["latency"][tag]
        total = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        for interval in intervals:
            total.add(interval)
        assert total.get_total_count() == whole["count"]
        for name, share in (("p50", 50), ("p99", 99), ("p999", 99.9), ("max", 100)):
            # Where a share falls between two values, the two libraries take different ones.
            one = 100 / max(whole["count"], 1)
            low, high = (total.get_value_at_percentile(min(max(share + step, 0), 100)) for step in (-one, one))
            assert low * (1 - 2e-3) <= whole[name] * 1e3 <= high * (1 + 2e-3), (tag, name)


def check_page(page: Path) -> dict:
    shown = subprocess.run(["node", HERE / "page_check.js", page], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_the_log_is_read_by_the_standard_reader(tmp_path):
    document = result()
    wsbench("report", write(tmp_path / "a.json", document), "--hlog", tmp_path / "a.hlog")
    found = intervals_of(tmp_path / "a.hlog")
    assert {tag: len(each) for tag, each in found.items()} == {"intended": 10, "service": 10}
    first = HdrHistogram.decode(document["intervals"][0]["intended"])
    assert found["intended"][0].get_total_count() == first.get_total_count()
    assert [found["intended"][0].get_value_at_percentile(share) for share in range(0, 101, 5)] \
        == [first.get_value_at_percentile(share) for share in range(0, 101, 5)]
    assert found["intended"][3].get_start_time_stamp() == pytest.approx((1767323045 + 5) * 1e3)
    check_log(tmp_path / "a.hlog", document)


def test_the_page_draws_what_the_result_has(tmp_path):
    document = result()
    document["steps"] = [
        {"perSecond": rate, "deliveredPerSecond": rate * 10, "latency": rate * 2.0, "isKept": rate < 200} for rate in (50, 100, 200)]
    document["marks"] = [{"atSeconds": 4, "text": "drop"}, {"atSeconds": 4.5, "text": "all back"}]
    document["details"] = [{"name": "handshakes", "value": 1234.5, "unit": "/s"}]
    document["parts"] = [result(7, 2)]
    document["checks"]["lost"] = 2
    document["verdict"] = {"isGood": False, "reasons": ["2 messages never came"], "notes": ["one processor"]}
    wsbench("report", write(tmp_path / "a.json", document), "--html", tmp_path / "a.html")
    shown = check_page(tmp_path / "a.html")
    for heading in ("Latency by percentile", "Latency by rate", "Deliveries a second", "Latency over time", "CPU", "Server memory",
                    "Times", "Checks of every subscriber's sequence", "Environment", "This scenario", "Parts"):
        assert heading in shown["headings"], heading
    assert shown["verdict"] == "✕ No good result" and shown["reasons"] == ["2 messages never came", "one processor"]
    assert shown["curves"] >= 8


def test_the_page_does_with_little(tmp_path):
    document = result()
    document.update(latency={}, intervals=[], delivered=0, published=0, deliveredPerSecond=0, publishedPerSecond=0)
    del document["expected"]
    wsbench("report", write(tmp_path / "a.json", document), "--html", tmp_path / "a.html")
    shown = check_page(tmp_path / "a.html")
    assert shown["headings"] == ["Checks of every subscriber's sequence", "Environment"]
    assert shown["verdict"] == "✓ Result holds"


def test_comparing_and_budgets(tmp_path):
    before = write(tmp_path / "a.json", *(result(seed * 1_000, 8) for seed in (1, 2, 3)))
    after = write(tmp_path / "b.json", *(result(seed * 1_000, 8) for seed in (3, 1, 2)))
    said = wsbench("compare", before, after, "--budget", "p99=+5%")
    assert "3 runs" in said and "kept" in said
    slow = [result(seed * 1_000, 8) for seed in (1, 2, 3)]
    for each in slow:
        recorded = histogram(value * 10 for value in range(100_000, 900_000, 1_000))
        each["latency"]["intended"] = distribution(recorded)
    said = wsbench("compare", before, write(tmp_path / "slow.json", *slow), "--budget", "p99=+5%", status=1)
    assert "BROKEN" in said
    said = wsbench("compare", "--a", before, after, "--b", after, "--json", "--budget", "cpu=+5%", status=1)
    assert json.loads(said)["budgets"] == [{"budget": "cpu=+5%", "outcome": "unmeasured"}]


@pytest.mark.parametrize("arguments, said", [
    (["compare", "/no/such/a", "/no/such/b"], "cannot be read"),
    (["compare", "one"], "Give two files"),
    (["compare", "a", "b", "--budget", "p98=+5%"], "is no budget"),
    (["compare", "a", "b", "--confidence", "100"], "--confidence must be"),
    (["report", __file__], "holds no result"),
])
def test_misuse_gets_a_sentence(arguments, said):
    run = subprocess.run([WSBENCH, *arguments], capture_output=True, text=True, timeout=60)
    assert run.returncode != 0 and said in run.stderr, run.stderr


@pytest.mark.variants([Variant("uring", 1), Variant("epoll", 4)])
def test_a_run_against_a_node(node, tmp_path):
    """Everything a run gives: one result, which the table, the log and the page agree on."""
    outputs = {kind: tmp_path / f"run.{kind}" for kind in ("json", "hlog", "html")}
    flags = [part for kind, path in outputs.items() for part in (f"--{kind}", path)]
    said = wsbench(
        "echo", "--connections", 20, "--window", 1, "--duration", 2, "--warmup", 0.2, "--url", f"ws://127.0.0.1:{node.port}/echo",
        "--server-pid", node.process.pid, "--label", "twenty", "--progress", "plain", *flags)
    document = json.loads(outputs["json"].read_text())
    assert document["schema"] == "wsbench/1" and document["verdict"]["isGood"], document["verdict"]
    assert document["environment"]["server"]["name"] == "clarion"
    assert document["environment"]["server"]["workers"] == node.variant.workers
    assert document["scenario"]["label"] == "twenty" and "twenty" in said and "good" in said
    assert document["delivered"] > 0 and document["cost"]["serverCPUShare"] >= 0
    machine = document["machine"]
    assert 0 <= machine["stolenShare"] <= 1 and machine["serverWaitShare"] >= 0 and machine["ownWaitShare"] > 0, machine
    assert "threads waiting for a processor: server" in said
    check_log(outputs["hlog"], document)
    assert "Latency by percentile" in check_page(outputs["html"])["headings"]
    said = wsbench("compare", outputs["json"], outputs["json"])
    assert "latency p99" in said
    assert wsbench("report", outputs["json"]).startswith("echo")
