"""Operations, and answers to probes, over time in equal bins, for sparklines and charts."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from chaos.experiment.plan import ProbeSpec
from chaos.judge.measures.answers import answers, tolerant
from chaos.record.journal import Journal


@dataclass
class Bin:
    """Operations with an intended start in [start, end), seconds on the timeline."""

    start: float
    end: float
    ok: int = 0
    info: int = 0
    fail: int = 0
    waits: list[float] = field(default_factory=list)  # ms, of successful operations

    @property
    def n(self) -> int:
        return self.ok + self.info + self.fail

    @property
    def success(self) -> float | None:
        return self.ok / self.n if self.n else None


def span(journal: Journal) -> tuple[float, float]:
    """From the steady phase to the end of the load and of the probes, in seconds."""
    begin = -journal.plan.steady
    ends = [op.t for _, op in journal.operations()]
    for spec in tolerant(journal):
        ends += [a.t for a in answers(journal, spec).all[-1:]]
    return begin, max(max(ends, default=0.0), journal.plan.length, begin + 1.0)


def bins(journal: Journal, journey: str, count: int) -> list[Bin]:
    """About `count` bins over the whole span without the warm-up. One edge is at the first fault."""
    found = _empty(journal, count)
    for _, op in journal.operations(journey):
        if op.t < found[0].start:
            continue
        b = _at(found, op.t)
        if op.ok:
            b.ok += 1
            b.waits.append(op.latency * 1000)
        elif op.result == "info":
            b.info += 1
        else:
            b.fail += 1
    return found


def answered(journal: Journal, spec: ProbeSpec, count: int) -> list[Bin]:
    """The answers to a probe in such bins. A bin between two answers shows the earlier one, unless some are missing."""
    found, asked = _empty(journal, count), answers(journal, spec)
    for a in asked.all:
        b = _at(found, a.t)
        b.ok, b.fail = b.ok + a.ok, b.fail + (not a.ok)
    gaps = list(asked.gaps(*asked.span("all")))
    for before, b in pairwise(found):
        if not b.n and not any(start < b.end and b.start < end for start, end in gaps):
            b.ok, b.fail = before.ok, before.fail
    return found


def _empty(journal: Journal, count: int) -> list[Bin]:
    """One edge is at the first fault: otherwise a wide bin would show the fault's effect too early."""
    begin, end = span(journal)
    width, onset = (end - begin) / count, min(max(journal.disturbed.start, begin), end)
    first = math.ceil((onset - begin) / width)
    edges = [begin, *(onset + k * width for k in range(1 - first, count - first + 1)), end]
    return [Bin(left, right) for left, right in pairwise(edges) if right - left > 1e-9]


def _at(found: list[Bin], t: float) -> Bin:
    return found[min(bisect_right(found, t, key=lambda b: b.start), len(found)) - 1]


def nodes_hit(journal: Journal) -> list[tuple[float, int]]:
    """(seconds, number of nodes under any fault) at each change."""
    times = sorted({t for w in journal.windows for t in (w.start, w.end)})
    return [(t, len({n for w in journal.windows if t in w for n in w.nodes})) for t in times]
