"""Compares operations with the planned arrivals: each arrival has exactly one operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from chaos.judge.consistency.flaw import Flaw
from chaos.judge.consistency.operations import FILE
from chaos.judge.consistency.story import ended
from chaos.record.arrivals import FILE as ARRIVALS
from chaos.record.arrivals import Arrivals
from chaos.record.journal import Journal, Line

GRAIN = 0.0005  # seconds: rounding error of recorded times


def flaws(journal: Journal) -> Iterator[Flaw]:
    """Missing and unplanned operations. A run that was cut off lacks its last operations, so it is not compared."""
    yield from _twice(journal)
    due = journal.arrivals
    if due is None:
        return
    yield from _strange(journal, due)
    if ended(journal):
        yield from _beside(journal, due)


def _twice(journal: Journal) -> Iterator[Flaw]:
    """Repeated lines, which would count a user twice."""
    ops = journal.ops
    order = sorted(range(len(ops)), key=lambda i: ops[i].t)
    for _, some in groupby(order, key=lambda i: ops[i].t):
        together = list(some)
        if len(together) > 1:
            seen = set()
            for i in together:
                op = ops[i]
                key = (op.user, op.journey, op.op, op.id)
                if key in seen and op.id:
                    yield Flaw(FILE, i + 1, f"operation {op.id} of {op.user} is recorded twice")
                seen.add(key)


def _strange(journal: Journal, due: Arrivals) -> Iterator[Flaw]:
    load = journal.plan.load
    for name, found, planned in (
        ("seed", due.seed, load.seed), ("rate", due.rate, load.rate), ("users", due.users, load.count)
    ):  # fmt: skip
        if found is not None and found != planned:
            yield Flaw(ARRIVALS, 1, f"{name} {found:g}, but plan.json has {planned:g}: they belong to different runs")


def _beside(journal: Journal, due: Arrivals) -> Iterator[Flaw]:
    sent = sorted((op.t, n) for n, op in journal.operations())
    times = due.times
    if any(journal.of("run.stopped")):  # the load ended early, after starting all arrivals up to then
        end = sent[-1][0] + GRAIN if sent else float("-inf")
        times = [t for t in times if t <= end]
    missing, strange = _compared(times, sent)
    if missing:
        first, last = missing[0], missing[-1]
        where = f"between {first:.3f} s and {last:.3f} s" if last > first else f"at {first:.3f} s"
        line = next((n for t, n in sent if t > first), 0)
        yield Flaw(FILE, line, f"{len(missing):,} of {len(times):,} planned arrivals have no operation, {where}")
    for n in strange:
        yield Flaw(FILE, n, f"an operation at {journal.ops[n - 1].t:.3f} s that no arrival was planned for")


def _compared(times: Sequence[float], sent: Sequence[tuple[float, Line]]) -> tuple[list[float], list[Line]]:
    """(arrivals without an operation, lines of operations without an arrival); both inputs are in order of time."""
    missing, strange, k = [], [], 0
    for t in times:
        while k < len(sent) and sent[k][0] < t - GRAIN:
            strange.append(sent[k][1])
            k += 1
        if k < len(sent) and sent[k][0] <= t + GRAIN:
            k += 1
        else:
            missing.append(t)
    return missing, strange + [n for _, n in sent[k:]]
