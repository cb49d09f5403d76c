#!/usr/bin/env python3
"""Runs the recorded scenarios of Reverb against a node and compares the answers.

    Tests/Behaviour/transcripts.py [--backend uring|epoll] [--workers N] [--out FOLDER] [GROUP_OR_SCENARIO...]

The kit is a neighbour of the repository: ../shared/transcripts, or $SHARED/transcripts. A scenario that differs and is not listed in
transcripts_known.txt is a failure, and so is one that is listed by its name but is the same by now. Prints what differs, then
`N passed, M failed`; the exit status is 1 when something failed and 3 when there is no kit.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
GROUPS = ["handshake", "path", "origin", "public", "messages", "private", "presence", "cache", "frames", "client_events", "client_events_all", "client_events_none", "http_auth",
          "http_events", "http_batch", "http_queries", "http_terminate", "limits_message", "limits_request", "limits_connections", "limits_rate",
          "limits_rate_terminate", "apps", "shutdown"]
"""Groups about what the node speaks so far."""


def kit() -> Path | None:
    """The folder of the kit."""
    for place in (os.environ.get("SHARED"), REPOSITORY.parent / "shared", REPOSITORY / "shared"):
        if place and (Path(place) / "transcripts" / "run.py").exists():
            return Path(place).resolve() / "transcripts"
    return None


def known() -> dict[str, str]:
    """Scenarios, or patterns of them, that may differ, with the reason."""
    table = {}
    for line in (HERE / "transcripts_known.txt").read_text(encoding="utf-8").splitlines():
        text = line.split("#", 1)[0].strip()
        if text:
            name, _, reason = text.partition(" ")
            assert reason.strip(), f"transcripts_known.txt: {name} has no reason"
            table[name] = reason.strip()
    return table


def run(binary: Path, backend: str, workers: int, only: list[str], out: Path) -> tuple[int, list[str], str]:
    """Runs and compares. Returns how many are as wanted, what failed, and the text of the comparison."""
    place = kit()
    assert place is not None
    chosen = [word for name in only for word in ("--only", name)]
    server = f"exec {binary} start --backend {backend} --workers {workers} --log-format json --host 127.0.0.1 --port {{port}}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("REVERB_", "CLARION_"))}
    ran = subprocess.run([sys.executable, "run.py", "--server", server, "--golden", "golden", "--out", str(out), *chosen], cwd=place, env=environment,
                         capture_output=True, text=True)
    (out / "run.log").write_text(ran.stdout + ran.stderr)
    compared = subprocess.run([sys.executable, "compare.py", "golden", str(out), *chosen], cwd=place, capture_output=True, text=True)
    excused, passed, failed = known(), 0, []
    for match in re.finditer(r"^([a-z0-9_]+\.[a-z0-9_]+): (same|DIFFERENT|missing)", compared.stdout, re.M):
        name, verdict = match[1], match[2]
        pattern = next((p for p in excused if fnmatch.fnmatch(name, p)), None)
        if verdict == "same":
            passed += 1
            if pattern == name:
                failed.append(f"{name} is the same by now: take it off transcripts_known.txt")
        elif pattern is not None:
            passed += 1
        else:
            failed.append(f"{name} {'is missing' if verdict == 'missing' else 'differs'}")
    if not passed and not failed:
        failed.append(f"nothing ran: {ran.stdout[-500:]}{ran.stderr[-500:]}")
    return passed, failed, compared.stdout + compared.stderr


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("only", nargs="*")
    options = parser.parse_args()
    if kit() is None:
        print("there is no ../shared/transcripts", file=sys.stderr)
        return 3
    sys.path.insert(0, str(HERE))
    from harness.node import binary
    out = options.out or Path(tempfile.mkdtemp(prefix="clarion-transcripts-"))
    out.mkdir(parents=True, exist_ok=True)
    passed, failed, text = run(binary(), options.backend, options.workers, options.only or GROUPS, out.resolve())
    for block in re.split(r"^(?=[a-z0-9_]+\.[a-z0-9_]+: )", text, flags=re.M):
        if ": DIFFERENT" in block or ": missing" in block:
            print(block.rstrip())
    for line in failed:
        print("FAILED " + line)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
