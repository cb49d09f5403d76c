"""What came of it: tables for the terminal, and the part of docs/PERFORMANCE.md that is made of a result."""
import os
import platform
import re
import statistics
import subprocess
import time

from benchlib.runs import BASELINE, STOLEN_SHARE_MAX
from benchlib.servers import ROOT
from benchlib.shapes import GROWTH

BEGIN = "<!-- bench-peers: begin; written by Tools/bench, do not edit -->"
END = "<!-- bench-peers: end -->"


def cell(value, decimals=0):
    return "–" if value is None else f"{value:,.{decimals}f}".replace(",", " ")


def table(bench, shape, servers):
    """The lines of one shape's table."""
    heads = [
        "server", "CPU µs/delivery", f"÷ {BASELINE}", "deliveries/s", "p50 µs", "p99 µs", "load µs", "bytes/conn"]
    rows = []
    base = bench.median(shape.key, BASELINE, "serverMicrosecondsPerDelivery")
    for server in servers:
        if (shape.key, server.name) not in bench.results:
            continue
        def median(key, name=server.name):
            return bench.median(shape.key, name, key)
        cost = median("serverMicrosecondsPerDelivery")
        rows.append([
            server.name, cell(cost, 3), cell(cost / base, 2) if cost and base else "–",
            cell(median("deliveredPerSecond")) if cost else "–",
            cell(median("latency.p50")), cell(median("latency.p99")),
            cell(median("ownMicrosecondsPerDelivery"), 3), cell(median("memory.residentBytesPerConnection"))])
    if not rows:
        return []
    rate = bench.median(shape.key, rows[0][0], "rate")
    title = f"{shape.title} [{shape.key}]" + (f" ({rate:.0f} messages/s)" if rate else "")
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = ["", title]
    for row in [heads, *rows]:
        rest = "".join("  " + row[i].rjust(widths[i]) for i in range(1, len(row)))
        lines.append("  " + row[0].ljust(widths[0]) + rest)
    return lines


def growth(bench, servers):
    lines = []
    for shape, base, most, what in GROWTH:
        for server in servers:
            costs = [bench.median(key, server.name, "serverMicrosecondsPerDelivery") for key in (shape, base)]
            if server.name.startswith("clarion") and None not in costs:
                lines.append(f"  {server.name}: {what}: {costs[0] / costs[1]:.2f} (at most {most:.2f})")
    return ["", "CPU per delivery, side by side", *lines] if lines else []


def machine(load):
    """What the result was made on."""
    def first(path, pattern):
        try:
            with open(path) as file:
                match = re.search(pattern, file.read(), re.M)
        except OSError:
            return ""
        return match.group(1).strip() if match else ""

    def git(*words):
        run = subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return run.stdout.strip()

    kilobytes = first("/proc/meminfo", r"^MemTotal:\s+(\d+)") or "0"
    is_changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    return {
        "processor": first("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine(),
        "processors": os.cpu_count(),
        "isVirtual": "hypervisor" in first("/proc/cpuinfo", r"^flags\s*:\s*(.+)$").split(),
        "memoryGigabytes": round(int(kilobytes) / (1 << 20), 1),
        "kernel": platform.release(),
        "loadAverage": round(load, 2),
        "commit": (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if is_changed else ""),
        "date": time.strftime("%Y-%m-%d"),
    }


class Result:
    """A result as it was saved: medians by shape and server."""

    def __init__(self, saved):
        self.saved = saved
        self.shapes = saved["shapes"]
        self.reports = {}
        for run in saved["runs"]:
            self.reports.setdefault((run["key"], run["server"]), []).append(run["report"])
        asked = {server for _, server in self.reports} | {row["server"] for row in saved["failures"]}
        self.servers = [name for name in saved["servers"] if name in asked]

    def median(self, shape, server, key):
        found = []
        for report in self.reports.get((shape, server), []):
            value = report
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                found.append(value)
        return statistics.median(found) if found else None

    def stolen_share_max(self):
        return max((report.get("stolenShare", 0) for reports in self.reports.values() for report in reports), default=0)

    def failed(self, shape, server):
        return any(row["key"] == shape and row["server"] == server for row in self.saved["failures"])


def digits(value):
    """A number with three digits that say something."""
    return cell(value, 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3)


def markdown_table(result, keys, value):
    lines = ["| | " + " | ".join(result.servers) + " |", "|---|" + "---|" * len(result.servers)]
    for key in keys:
        cells = []
        for server in result.servers:
            text = value(key, server)
            cells.append(text if text else "failed" if result.failed(key, server) else "")
        if any(cells):
            lines.append(f"| {result.shapes[key]['title']} | " + " | ".join(cells) + " |")
    return lines


def document(result):
    """The lines between the markers."""
    saved, facts = result.saved, result.saved["machine"]
    processor = f"{facts['processor']}, {facts['processors']} processors" + (", virtual" if facts["isVirtual"] else "")
    lines = [
        BEGIN, "",
        f"Made on {facts['date']} at commit {facts['commit']}: {processor}, {facts['memoryGigabytes']} GB, Linux "
        f"{facts['kernel']}, load average {facts['loadAverage']} before. Medians of {saved['rounds']} × "
        f"{saved['seconds']:g} s; the server on processor {saved['serverProcessor']}, the load on "
        f"{saved['loadProcessor']}" + (", which never sleeps." if saved["busyPoll"] else "."), "",
        f"The machine below this virtual one took at most {result.stolen_share_max():.1%} of the processors' time in "
        f"any of the runs shown; {saved.get('repeated', 0)} in which it took more than {STOLEN_SHARE_MAX:.0%} were "
        "measured again."]
    lines += ["", "Servers:", ""] + [f"* {name}: {saved['servers'][name]}" for name in result.servers]
    left_out = [name for name in saved.get("leftOut", [])]
    if left_out:
        lines += ["", f"Left out, because they could not be had: {', '.join(left_out)}."]

    def cost(key, server):
        value = result.median(key, server, "serverMicrosecondsPerDelivery")
        base = result.median(key, BASELINE, "serverMicrosecondsPerDelivery")
        if not value:
            return ""
        return digits(value) + (f" ({value / base:.2f})" if base and server != BASELINE else "")

    def p99(key, server):
        value = result.median(key, server, "latency.p99")
        return digits(value / 1000) if value else ""

    def rate(key, server):
        value = result.median(key, server, "deliveredPerSecond")
        return cell(value / 1000, 0 if value >= 1e5 else 1) if value else ""

    keys = list(result.shapes)
    for title, value in [
            (f"CPU of the server for each delivery in µs (in parentheses: ÷ {BASELINE})", cost),
            ("Deliveries a second, in thousands", rate), ("Latency p99 in ms", p99)]:
        lines += ["", f"{title}:", "", *markdown_table(result, keys, value)]
    lines += ["", "Each row by itself, and the load that it runs:", "", "| command | load |", "|---|---|"]
    for key in keys:
        commands = result.saved["commands"].get(key, {})
        if commands:
            name = next((name for name in result.servers if name in commands), next(iter(commands)))
            load = " ".join(shown(commands[name])).replace("|", "\\|")
            lines.append(f"| `Tools/bench --shapes {key}` | `{load}` |")
    if saved["failures"]:
        lines += ["", "Runs that went wrong:", ""]
        lines += [f"* {row['key']} with {row['server']}: {row['what']}" for row in saved["failures"]]
    return [*lines, "", END]


def shown(command):
    """A command without what changes from run to run, as it would be typed."""
    skipped = ("--url", "--port", "--server-pid")
    words, index = [], 0
    while index < len(command):
        if command[index] in skipped:
            index += 2
            continue
        word = command[index]
        words.append(word if re.fullmatch(r"[\w./:%=-]+", word) else "'" + word + "'")
        index += 1
    return words


def write_document(path, saved):
    """Puts the tables of a result between the markers of a page."""
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path} has no markers for the tables")
    before, after = text[:text.index(BEGIN)], text[text.index(END) + len(END):]
    path.write_text(before + "\n".join(document(Result(saved))) + after)
