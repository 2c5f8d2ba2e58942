"""Which operations are studied, and whether users did them before, during or after the faults."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.journal import Journal, Line
from chaos.model import Op

PHASES = ("before", "during", "after")


def phase(journal: Journal, op: Op) -> str:
    """An operation in flight when the first fault struck belongs to `during`: it was not spared."""
    w = journal.disturbed
    if op.t >= w.end:
        return "after"
    return "before" if (op.end if w.end > w.start else op.t) <= w.start else "during"


def studied(journal: Journal, journey: str | None = None) -> Iterator[tuple[Line, Op, str]]:
    """Line, operation and phase of everything from the steady phase on; the warm-up before it says nothing."""
    for n, op in journal.operations(journey):
        if op.t >= -journal.plan.steady:
            yield n, op, phase(journal, op)


def resolution(journal: Journal, journey: str) -> float | None:
    """Seconds between arrivals of a journey: no figure of it can be finer. None below two arrivals."""
    times = [op.t for _, op, _ in studied(journal, journey)]
    if len(times) < 2 or max(times) == min(times):
        return None
    return (max(times) - min(times)) / (len(times) - 1)
