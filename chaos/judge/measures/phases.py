"""Which operations are judged, and whether they belong to the time before, during or after the faults."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.model import Op
from chaos.record.journal import Journal, Line

PHASES = ("before", "during", "after")


def phase(journal: Journal, op: Op) -> str:
    """The phase of an operation. One in flight when the first fault struck belongs to `during`."""
    w = journal.disturbed
    if op.t >= w.end:
        return "after"
    return "before" if (op.end if w.end > w.start else op.t) <= w.start else "during"


def studied(journal: Journal, journey: str | None = None) -> Iterator[tuple[Line, Op, str]]:
    """Line, operation and phase of all operations from the steady phase on. The warm-up before it is ignored."""
    for n, op in journal.operations(journey):
        if op.t >= -journal.plan.steady:
            yield n, op, phase(journal, op)


def resolution(journal: Journal, journey: str) -> float | None:
    """Seconds between arrivals of a journey: its time measures cannot be more precise. None for fewer than two
    arrivals.
    """
    times = [op.t for _, op, _ in studied(journal, journey)]
    if len(times) < 2 or max(times) == min(times):
        return None
    return (max(times) - min(times)) / (len(times) - 1)
