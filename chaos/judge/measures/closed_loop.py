"""What a closed loop hides. Its users wait for answers, so a system that stalls is asked less: coordinated omission."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from chaos.record.journal import Journal, Line

PATIENCE = 2.0  # seconds without any new operation that count as silence: users of an open load wait as long
FEWEST = 10.0  # operations that open arrivals would have made meanwhile; with fewer, think times explain it


@dataclass(frozen=True)
class ClosedLoop:
    """Figures of a run with a locustfile."""

    users: int
    n: int  # operations from the steady phase on
    rate: float  # operations a second before the first fault
    disturbed: float  # seconds from the first injection to the last heal, 0 without faults
    silence: float  # seconds: the longest time without a new operation
    silent_from: float
    around: tuple[Line, ...]  # the operations before and after it

    @property
    def stops_after(self) -> float:
        """Seconds of a full stall after which every user waits, and nothing more is asked."""
        return self.users / self.rate if self.rate else math.inf

    @property
    def share(self) -> float:
        """The largest share of operations that one stall can be, however long it lasts."""
        return min(self.users / self.n, 1.0) if self.n else 1.0

    @property
    def needed(self) -> int:
        """Users who would keep the rate through a stall as long as the faults."""
        return math.ceil(self.rate * self.disturbed)

    @property
    def missing(self) -> float:
        """Operations that open arrivals would have made in the longest silence."""
        return self.rate * self.silence

    @property
    def silent(self) -> bool:
        return self.silence >= PATIENCE and self.missing >= FEWEST


def closed_loop(journal: Journal) -> ClosedLoop:
    begin, end = -journal.plan.steady, journal.plan.length + journal.plan.recover
    if any(journal.of("run.stopped")):  # then the load ended early
        end = min([end, *(e.t for _, e in journal.of("load.stop"))])
    found = sorted((op.start, n) for n, op in journal.operations() if begin <= op.start < end)
    w = journal.disturbed
    first = w.start if w.end > w.start else end
    before = sum(t < first for t, _ in found)
    edges = [(begin, 0), *found, (end, 0)]
    gaps = [(later[0] - one[0], one, later) for one, later in pairwise(edges)]
    silence, one, later = max(gaps, key=lambda gap: gap[0])
    return ClosedLoop(
        users=journal.plan.load.count,
        n=len(found),
        rate=before / (first - begin) if first > begin else 0.0,
        disturbed=max(w.end - w.start, 0.0),
        silence=silence,
        silent_from=one[0],
        around=tuple(n for n in (one[1], later[1]) if n),
    )
