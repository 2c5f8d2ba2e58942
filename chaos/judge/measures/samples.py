"""A probe's samples in one phase of a run, whether there are enough of them, and which nodes did not answer."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chaos.judge.measures.nodes import away
from chaos.record.journal import Journal, Line

LEAST = 5  # samples, even in a short phase
SILENT = 3.0  # seconds without an answer: each node is asked once a second, and a request may take most of another
FEWER = (
    "each sample covers the whole system, and there is one a second: half of the phase's seconds is enough, "
    f"but no fewer than {LEAST}"
)


@dataclass(frozen=True)
class Sample:
    line: Line
    t: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Watched:
    """One probe's samples: `all` from the steady phase on, and `judged` in the requested phase."""

    all: tuple[Sample, ...]
    judged: tuple[Sample, ...]
    begin: float  # start of the phase, but not before the probe starts with the timeline
    end: float
    every: float
    down: Mapping[str, tuple[tuple[float, float], ...]]  # when nodes are known to have been down

    def wanted(self, most: int) -> int:
        """The number of samples that is enough: `most`, or fewer in a short phase."""
        return enough(most, self.end - self.begin, self.every)

    def whole(self, sample: Sample, nodes: Collection[str]) -> bool:
        """Whether every node answered in this sample, except those known to have been down."""
        missing = [node for node in nodes if node not in sample.values]
        return all(any(a <= sample.t < b for a, b in self.down.get(node, ())) for node in missing)

    def silent(self, nodes: Iterable[str]) -> Iterator[tuple[str, float, float]]:
        """(node, from, to) for each period longer than SILENT in which a node did not answer and is not known to be
        down.
        """
        for node in sorted(nodes):
            heard = [s.t for s in self.all if node in s.values]
            inside = heard[bisect_left(heard, self.begin) : bisect_left(heard, self.end)]
            for start, end in pairwise([self.begin, *inside, self.end]):
                if _without(start, end, self.down.get(node, ())) > SILENT:
                    yield node, start, end


def enough(most: int, seconds: float, every: float) -> int:
    """The number of samples that is enough for a phase of this length: `most`, or fewer in a short phase."""
    return min(most, max(LEAST, math.ceil(seconds / every / 2)))


def numbers(data: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a sample. NaN, Prometheus' value for "no data", is dropped."""
    given = {k: v for k, v in data.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {k: float(v) for k, v in given.items() if math.isfinite(v)}


def watched(journal: Journal, probe: str, phase: str) -> Watched:
    found = tuple(
        Sample(n, e.t, values)
        for n, e in journal.of("probe.sample")
        if e.subject == probe and e.t >= -journal.plan.steady and (values := numbers(e.data))
    )
    judged = tuple(s for s in found if phase in ("all", journal.phase(s.t)))
    every = next((p.every for p in journal.plan.probes if p.name == probe), 1.0)
    begin, end = span(journal, phase, min([0.0, *(s.t for s in found)]))
    return Watched(found, judged, begin, end, every, away(journal))


def span(journal: Journal, phase: str, first: float) -> tuple[float, float]:
    """From when to when a phase lasted, for probes that began at `first`."""
    hurt = journal.disturbed
    last = journal.plan.length + journal.plan.recover
    if any(journal.of("run.stopped")):  # then the probe ended early
        last = min([last, *(e.t for _, e in journal.of("load.stop"))])
    spans = {"before": (first, hurt.start), "during": (hurt.start, hurt.end), "after": (hurt.end, last)}
    return spans.get(phase, (first, last))


def _without(start: float, end: float, spans: Iterable[tuple[float, float]]) -> float:
    """Seconds from `start` to `end` that are not covered by `spans`."""
    return end - start - sum(max(0.0, min(end, b) - max(start, a)) for a, b in spans)
