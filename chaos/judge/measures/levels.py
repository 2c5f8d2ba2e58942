"""Service levels over time: when an objective was missed, and when answers became slow."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from chaos.judge.measures.phases import studied
from chaos.judge.measures.recovery import outages
from chaos.judge.measures.success import quantile_ms
from chaos.model import Op
from chaos.record.journal import Journal, Line

WINDOW = 2.0  # seconds over which an objective is computed
ENOUGH = 5  # minimum operations in a window; fewer prove nothing
OBJECTIVE = 0.9  # success rate of a journey below which its alert fires
SLOW = 3.0  # times the normal p95
LEAST_MS = 50.0  # minimum increase: three times a very small latency is still small

Span = tuple[float, float]


def truly_out(journal: Journal) -> tuple[Span, ...]:
    """From first failure to return, for every journey: outages of at least `hold` seconds, as users would see them."""
    last = max((op.t for _, op in journal.operations()), default=0.0)
    found = [
        (o.start, last if o.back is None else o.back)
        for journey in journal.journeys
        for o in outages(journal, journey)
        if o.length >= journal.plan.hold
    ]
    return tuple(sorted(found))


def missed(journal: Journal) -> tuple[Span, ...]:
    """Periods in which at least one journey missed its objective, merged."""
    spans: list[Span] = []
    for ops in _by_journey(journal).values():
        for start, some in _windows(ops):
            if len(some) >= ENOUGH and sum(op.ok for _, op in some) < OBJECTIVE * len(some):
                spans.append((start, start + WINDOW))
    return joined(spans)


def joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def meets(span: Span, spans: Sequence[Span]) -> bool:
    """Whether `span` overlaps any of `spans`, which are sorted and disjoint (`joined`)."""
    k = bisect_right(spans, span[1], key=lambda s: s[0])
    return k > 0 and spans[k - 1][1] >= span[0]


def slowed(journal: Journal, wanted: Callable[[str], bool]) -> tuple[float | None, tuple[Line, ...]]:
    """When the p95 of the `wanted` journeys together first became slow, and the operations that show it; None:
    never.
    """
    seen = [(n, op, p) for n, op, p in studied(journal) if wanted(op.journey)]
    ordinary = quantile_ms([op for _, op, p in seen if p == "before"], 0.95)
    if ordinary is None:
        return None, ()
    limit = max(SLOW * ordinary, ordinary + LEAST_MS)
    for start, some in _windows([(n, op) for n, op, p in seen if p != "before"]):
        if len(some) >= ENOUGH:
            p95 = quantile_ms([op for _, op in some], 0.95)
            if p95 is None or p95 > limit:
                return start, tuple(n for n, op in some if not op.ok or op.latency * 1000 > limit)
    return None, ()


def _by_journey(journal: Journal) -> dict[str, list[tuple[Line, Op]]]:
    found: dict[str, list[tuple[Line, Op]]] = defaultdict(list)
    for n, op, _ in studied(journal):
        found[op.journey].append((n, op))
    return found


def _windows(ops: Sequence[tuple[Line, Op]]) -> Iterator[tuple[float, list[tuple[Line, Op]]]]:
    """Each whole second with the operations due in the WINDOW that starts there, if any. Windows overlap."""
    if not ops:
        return
    ordered = sorted(ops, key=lambda x: (x[1].t, x[0]))
    times = [op.t for _, op in ordered]
    begun, first = {math.floor(t) for t in times}, math.floor(times[0])
    for second in sorted(begun | {s - 1 for s in begun if s > first}):
        yield float(second), ordered[bisect_left(times, second) : bisect_left(times, second + WINDOW)]
