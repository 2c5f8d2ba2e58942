"""Operations over time in equal bins, for sparklines and charts."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

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
    """From the steady phase to the end of the load, in seconds."""
    begin = -journal.plan.steady
    end = max([op.t for _, op in journal.operations()], default=0.0)
    return begin, max(end, journal.plan.length, begin + 1.0)


def bins(journal: Journal, journey: str, count: int) -> list[Bin]:
    """About `count` bins over the whole span without the warm-up. One edge is at the first fault.

    Otherwise a wide bin would show the fault's effect too early.
    """
    begin, end = span(journal)
    width, onset = (end - begin) / count, min(max(journal.disturbed.start, begin), end)
    first = math.ceil((onset - begin) / width)
    edges = [begin, *(onset + k * width for k in range(1 - first, count - first + 1)), end]
    found = [Bin(left, right) for left, right in pairwise(edges) if right - left > 1e-9]
    for _, op in journal.operations(journey):
        if op.t < begin:
            continue
        b = found[min(bisect_right(found, op.t, key=lambda b: b.start), len(found)) - 1]
        if op.ok:
            b.ok += 1
            b.waits.append(op.latency * 1000)
        elif op.result == "info":
            b.info += 1
        else:
            b.fail += 1
    return found


def nodes_hit(journal: Journal) -> list[tuple[float, int]]:
    """(seconds, number of nodes under any fault) at each change."""
    times = sorted({t for w in journal.windows for t in (w.start, w.end)})
    return [(t, len({n for w in journal.windows if t in w for n in w.nodes})) for t in times]
