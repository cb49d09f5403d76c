"""How it is asked: a fresh server on one processor, the load on another, one result for each run."""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from benchlib.servers import BUILT, RELEASE, note
from benchlib.shapes import BUSY_KINDS

PORT_FIRST = 21300
START_SECONDS_MAX = 15
# A message is at most this far behind in a run that goes well; beyond it the load generator has hung.
HANG_SECONDS = 120
BASELINE = "uws"
# A run is measured again when the machine below this virtual one kept more than this share of its processors' time;
# of so many runs, the one that lost least is taken.
STOLEN_SHARE_MAX = 0.03
ATTEMPTS_MAX = 3
FAULTS = ("lost", "doubled", "reordered", "connectFailures", "unsubscribed", "disconnected", "invalidFrames", "foreign",
          "stalled", "failure", "refusals", "latestText")

# With any of these a result is none, whatever the load generator's exit status.
UNTRUE = ("lost", "doubled", "reordered", "stalled")


def pinned(processors, command):
    return ["taskset", "-c", processors, *command] if shutil.which("taskset") else command


def await_port(port, process):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def processor_times():
    """What the processors have done since the machine began, in ticks: all of it, and what was stolen (/proc/stat)."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    # user, nice, system, idle, iowait, irq, softirq, steal; what guests used is in user already.
    return sum(ticks[:8]), ticks[7] if len(ticks) > 7 else 0


class Bench:
    """Carries out measurements and keeps their results by shape and server."""

    def __init__(self, options):
        self.options = options
        self.results = {}
        # (shape, server, what went wrong)
        self.failures = []
        # How many runs were measured again because too much was stolen.
        self.repeated = 0
        # The load of each shape as it was run last, for the record.
        self.commands = {}
        self.port = PORT_FIRST

    def values(self, shape, server, key):
        """What a shape's runs found under a key such as `latency.p50`."""
        found = []
        for report in self.results.get((shape, server), []):
            value = report
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                found.append(value)
        return found

    def median(self, shape, server, key):
        values = self.values(shape, server, key)
        return statistics.median(values) if values else None

    def stolen_share_max(self):
        """The greatest share of the processors' time that was stolen in a run that is shown."""
        return max((report["stolenShare"] for reports in self.results.values() for report in reports), default=0)

    def fail(self, shape, server, what):
        self.failures.append((shape.key, server.name, what))
        note(f"{shape.key} with {server.name}: {what}")

    def measure(self, shape, server):
        rate = None
        if shape.rate_of is not None:
            capacity = self.median(shape.rate_of, BASELINE, "publishedPerSecond")
            if not capacity:
                return note(f"{shape.key} is left out: it takes its rate from {BASELINE} in {shape.rate_of}")
            rate = max(1.0, capacity / 2)
        attempts = []
        while len(attempts) < ATTEMPTS_MAX:
            report = self.attempt(shape, server, rate)
            if report is None:
                return
            attempts.append(report)
            if report["stolenShare"] <= STOLEN_SHARE_MAX:
                break
            note(f"{report['stolenShare']:.0%} of the processors' time was stolen by the machine below")
        self.repeated += len(attempts) - 1
        self.results.setdefault((shape.key, server.name), []).append(
            min(attempts, key=lambda report: report["stolenShare"]))

    def attempt(self, shape, server, rate):
        """One run with a fresh server: its report, or None when it went wrong."""
        options = self.options
        self.port += 1
        processors = options.server_cpu
        if shape.both_processors:
            processors = f"{options.server_cpu},{options.bench_cpu}"
        with tempfile.TemporaryDirectory(prefix="clarion-bench-") as folder:
            process = subprocess.Popen(
                pinned(processors, server.command(self.port, shape.workers, folder)
                       + (server.tls_flags() if shape.tls else [])),
                env={**os.environ, **server.environment, "BENCH_DEFLATE": "1" if shape.deflate else ""},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE if not options.verbose else None, start_new_session=True)
            try:
                if not await_port(self.port, process):
                    return self.fail(shape, server, "it did not start" + self.last_words(process))
                return self.drive(shape, server, process, rate)
            finally:
                self.stop(process)

    def command(self, shape, server, process, rate):
        """The load: its program and arguments."""
        options = self.options
        seconds = f"{options.seconds * shape.patience():g}"
        times = ["--seconds" if shape.uses_hub_load(server.name) else "--duration", seconds,
                 "--warmup", f"{options.warmup:g}"]
        busy = ["--busy-poll"] if options.busy_poll and shape.kind in BUSY_KINDS else []
        place = ["--server-pid", str(process.pid)]
        if shape.uses_hub_load(server.name):
            return [str(BUILT / "hub_load"), *shape.hub_load(), *server.words(shape), "--port", str(self.port),
                    *place, *times, *busy]
        url = ["--url", f"{'wss' if shape.tls else 'ws'}://127.0.0.1:{self.port}{shape.path()}"]
        if shape.kind == "idle":
            times = []
        return [str(RELEASE / "wsbench"), *shape.wsbench(rate), *url, *place, "--json", "-", "--progress", "off",
                *times, *busy]

    def drive(self, shape, server, process, rate):
        options = self.options
        command = self.command(shape, server, process, rate)
        name = "hub_load" if shape.uses_hub_load(server.name) else "wsbench"
        self.commands.setdefault(shape.key, {})[server.name] = [name, *command[1:]]
        limit = options.seconds * shape.patience() + options.warmup + HANG_SECONDS
        all_before, stolen_before = processor_times()
        try:
            run = subprocess.run(
                pinned(options.bench_cpu, command), stdout=subprocess.PIPE, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return self.fail(shape, server, f"{name} did not end")
        all_after, stolen_after = processor_times()
        try:
            report = json.loads(run.stdout)
            report = report.get("report", report)
        except json.JSONDecodeError:
            return self.fail(shape, server, "no result")
        faults = {key: report.get(key) for key in FAULTS if report.get(key)}
        if run.returncode != 0 or any(key in faults for key in UNTRUE):
            return self.fail(shape, server, f"went wrong: {faults}")
        if shape.kind != "idle" and not report.get("delivered"):
            return self.fail(shape, server, "nothing was delivered in the measured time")
        # The course of a run is not compared, and would make a result many times as large.
        for part in ("samples", "parts"):
            report.pop(part, None)
        report["stolenShare"] = (stolen_after - stolen_before) / max(all_after - all_before, 1)
        return report

    @staticmethod
    def last_words(process):
        if process.poll() is None or process.stderr is None:
            return ""
        return ": " + process.stderr.read().decode(errors="replace").strip()[-300:]

    @staticmethod
    def stop(process):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()
