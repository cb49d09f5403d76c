"""Reads `/metrics`: the Prometheus text format, version 0.0.4, checked line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|\Z)')
SAMPLE = re.compile(r"([^{\s]+)(?:\{(.*)\})? (\S+)(?: (-?\d+))?\Z")
KINDS = {"counter", "gauge", "histogram", "summary", "untyped"}


@dataclass
class Family:
    """A metric with its samples."""

    name: str
    kind: str = "untyped"
    help: str = ""
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)


def same_word(one: str, other: str) -> bool:
    """Whether two words are the same apart from case and separators: `slowConsumer`, `slow_consumer`."""
    return re.sub(r"[^a-z0-9]", "", one.lower()) == re.sub(r"[^a-z0-9]", "", other.lower())


class Metrics:
    """One reading."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: dict[str, Family] = {}
        self._parse()

    def _parse(self) -> None:
        assert self.text.endswith("\n"), "the last line is not ended"
        seen: set[tuple[str, str]] = set()
        current: Family | None = None
        for line in self.text.split("\n")[:-1]:
            if not line:
                continue
            if line.startswith("# HELP ") or line.startswith("# TYPE "):
                _, keyword, name, rest = line.split(" ", 3)
                assert NAME.match(name), f"a bad name: {line}"
                if current is None or current.name != name:
                    assert name not in self.families, f"the samples of {name} are not together"
                    current = self.families[name] = Family(name)
                if keyword == "TYPE":
                    assert rest in KINDS, f"a bad type: {line}"
                    assert current.kind == "untyped" and not current.samples, f"TYPE twice or behind samples: {line}"
                    current.kind = rest
                else:
                    current.help = rest
                continue
            if line.startswith("#"):
                continue
            match = SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            name, labels, value = match[1], match[2], match[3]
            assert NAME.match(name), f"a bad name: {line}"
            pairs, position = {}, 0
            while labels and position < len(labels):
                label = LABEL.match(labels, position)
                assert label, f"bad labels: {line}"
                assert label[1] not in pairs, f"a label twice: {line}"
                pairs[label[1]] = label[2]
                position = label.end()
            identity = (name, str(sorted(pairs.items())))
            assert identity not in seen, f"a sample twice: {line}"
            seen.add(identity)
            base = re.sub(r"_(bucket|sum|count)\Z", "", name)
            family = name if name in self.families else base
            assert current is not None and family == current.name, f"a sample outside its family, or without TYPE: {line}"
            current.samples.append((name, pairs, float(value)))

    def closes(self, reason: str) -> float:
        """Connections closed for a reason, all workers together. Fails when the reason has no sample."""
        found = self.select(lambda name, labels: "clos" in name and same_word(labels.get("reason", ""), reason))
        assert found, f"no close reason {reason} in /metrics"
        return self.total(found)

    def value(self, *words: str) -> float:
        """The sum over all workers of the metric whose name contains all the words (`connections`, `open`).

        When several names do, the shortest counts. Fails when none does.
        """
        names = sorted((n for n in self.families if all(w in n for w in words)), key=len)
        assert names, f"no metric with {words} in its name"
        return self.total(self.select(lambda name, _: name == names[0]))

    def select(self, want) -> list[tuple[str, dict[str, str], float]]:
        """Samples for which `want(name, labels)` is true."""
        return [s for f in self.families.values() for s in f.samples if want(s[0], s[1])]

    @staticmethod
    def total(samples: list[tuple[str, dict[str, str], float]]) -> float:
        """The samples of the workers added up; a sample for all of them (`worker="all"`, or no such label beside others
        that have it) is not added a second time."""
        per_worker = [s for s in samples if s[1].get("worker", "").isdigit()]
        whole = [s for s in samples if not s[1].get("worker", "").isdigit()]
        if per_worker:
            return sum(s[2] for s in per_worker)
        return sum(s[2] for s in whole)
