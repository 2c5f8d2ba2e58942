"""Service levels over time: when an objective was missed, and when answers became slow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from chaos.journal import Journal, Line
from chaos.measures.phases import studied
from chaos.measures.recovery import outages
from chaos.measures.success import quantile_ms
from chaos.model import Op

WINDOW = 2.0  # seconds an objective looks back
ENOUGH = 5  # operations in them; fewer prove nothing
OBJECTIVE = 0.9  # success of a journey, below which its alarm rings
SLOW = 3.0  # times the ordinary p95
LEAST_MS = 50.0  # and at least this much more: three times nothing is nothing

Span = tuple[float, float]


def truly_out(journal: Journal) -> tuple[Span, ...]:
    """From first failure to return, of every journey: outages of `hold` seconds and more, as users would call it."""
    last = max((op.t for _, op in journal.operations()), default=0.0)
    found = [
        (o.start, last if o.back is None else o.back)
        for journey in journal.journeys
        for o in outages(journal, journey)
        if o.length >= journal.plan.hold
    ]
    return tuple(sorted(found))


def missed(journal: Journal) -> tuple[Span, ...]:
    """Stretches in which some journey missed its objective, joined."""
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


def slowed(journal: Journal, wanted: Callable[[str], bool]) -> tuple[float | None, tuple[Line, ...]]:
    """When the p95 of the `wanted` journeys together first was slow, and by which operations; None: never."""
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
    """Whole seconds and what was to begin in the WINDOW from each on."""
    if not ops:
        return
    ordered = sorted(ops, key=lambda x: (x[1].t, x[0]))
    first, last = int(ordered[0][1].t // 1), int(ordered[-1][1].t // 1)
    for second in range(first, last + 1):
        yield float(second), [(n, op) for n, op in ordered if second <= op.t < second + WINDOW]
