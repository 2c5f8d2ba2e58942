"""For each operation: it was sent when it was due or later, ended after that, within the run, with a known result."""

from __future__ import annotations

import math
from collections.abc import Iterator

from chaos.judge.consistency.flaw import Flaw
from chaos.model import UNREADABLE, Op
from chaos.record.journal import Journal

FILE = "ops.jsonl"
RESULTS = frozenset({"ok", "fail", "info"})
EARLY = 0.1  # seconds that an operation may be sent early: the clocks of two processes differ
MARGIN = 60.0  # seconds after the end of the run
LOAD = 1.0  # seconds before the start of the load


def flaws(journal: Journal) -> Iterator[Flaw]:
    plan = journal.plan
    first = min([-plan.steady - plan.steady_within - MARGIN, *(e.t for _, e in journal.of("run.start"))])
    first = max([first, *(e.t - LOAD for _, e in journal.of("load.start"))])
    due = plan.length + plan.recover + MARGIN
    last = max([due, *(e.t + MARGIN for _, e in journal.of("run.end"))])
    writes: dict[tuple[str, str], bool] = {}
    for n, op in enumerate(journal.ops, 1):
        if op.op != "readback" and writes.setdefault((op.journey, op.op), op.write) is not op.write:
            yield Flaw(FILE, n, f"{op.op} of {op.journey} writes here and does not elsewhere")
        if (
            first <= op.t <= op.start + EARLY
            and op.start <= op.end <= last
            and op.result in RESULTS
            and (op.age is None or 0 <= op.age < math.inf)
            and (op.t <= due or op.op == "readback")
        ):
            continue
        if op.result != UNREADABLE:
            yield Flaw(FILE, n, _why(op, first, last))


def _why(op: Op, first: float, last: float) -> str:
    if op.result not in RESULTS:
        return f"result {op.result!r}, expected ok, fail or info"
    if op.end < op.start:
        return f"it ended at {op.end:g} s and began at {op.start:g} s"
    if op.age is not None and not 0 <= op.age < math.inf:
        return f"content {op.age:g} s old"
    if op.t > op.start + EARLY:
        return f"it began at {op.start:g} s and was due at {op.t:g} s"
    return f"from {op.t:g} s to {op.end:g} s, outside the load's time ({first:g} s to {last:g} s)"
