"""Runs order_client.c, the crowd that checks order."""

from __future__ import annotations

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from .node import Node

SOURCE = Path(__file__).resolve().parents[1] / "order_client.c"


@cache
def program() -> str:
    """Compiles the crowd, once for each run of the suite."""
    folder = Path(tempfile.mkdtemp(prefix="clarion-crowd-"))
    target = folder / "order_client"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", str(target), str(SOURCE), "-lcrypto", "-lz"], check=True)
    return str(target)


class Crowd:
    """A running crowd."""

    def __init__(self, node: Node, **options: int) -> None:
        self.process = subprocess.Popen([program(), str(node.port), *(f"{k}={v}" for k, v in options.items())], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self) -> dict[str, Any]:
        """Waits for the report. Connections that were told not to read stay open until `end`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate(timeout=30)
            raise AssertionError(f"the crowd ended with {self.process.returncode}: {errors}")
        return json.loads(line)

    def end(self) -> None:
        """Lets it go."""
        try:
            if self.process.poll() is None:
                self.process.communicate("\n", timeout=30)
        finally:
            if self.process.poll() is None:
                self.process.kill()


def check_order(result: dict[str, Any]) -> None:
    """Nothing is missing, doubled, or out of order, and nobody was closed."""
    for fault in ("missing", "doubled", "disagreements", "publisher_disorders", "strangers", "closed", "refusals"):
        assert result[fault] == 0, f"{fault}: {json.dumps(result, indent=1)}"
    assert result["received"] == result["expected"] > 0, result
    assert result["published"] == result["messages"], result
