"""Outages: when each journey broke, and when it was back for good.

A journey is back at the start of the first stretch of `plan.hold` seconds, and of at least three operations, in which
99 % succeed. One run may have several outages. The return that counts is the last one, because users who are
thrown out again were not back; but what is shorter than `hold`, and is not the worst there was, undoes no
return: it is a hiccup that availability counts. The measure that does not take two good seconds for a recovery does
not take a bad one for a relapse.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from chaos.journal import Journal, Line
from chaos.measures.phases import studied
from chaos.model import Op
from chaos.plan import Plan

WELL = 0.99  # success rate at which users are well
ENOUGH = 3  # operations: fewer good ones in a row prove nothing, however long they take


@dataclass(frozen=True)
class Outage:
    """From the first failed operation to the return. Seconds on the timeline.

    The true return lies between `last_failed` and `back`: nobody asked in between.
    """

    start: float
    last_failed: float
    back: float | None  # None: not back before the load ended
    seen: float  # how far the load looked
    failed: tuple[Line, ...]  # operations that failed meanwhile
    n: int  # operations meanwhile, the failed ones included
    returned: Line | None  # the first operation of the stretch that counts as back

    @property
    def length(self) -> float:
        return (self.seen if self.back is None else self.back) - self.start


def outages(journal: Journal, journey: str) -> tuple[Outage, ...]:
    """Every outage since the first fault, in order; operations are placed at their intended start."""
    ops = sorted(((n, op) for n, op, p in studied(journal, journey) if p != "before"), key=lambda x: (x[1].t, x[0]))
    seen = max((op.t for _, op in journal.operations()), default=0.0)
    stretch = _Stretch([op for _, op in ops], journal.plan.hold, seen)
    found, i = [], 0
    while i < len(ops):
        if ops[i][1].ok:
            i += 1
            continue
        j = next((j for j in range(i + 1, len(ops)) if stretch.good(j)), len(ops))
        failed = tuple(n for n, op in ops[i:j] if not op.ok)
        last_failed = max(op.t for _, op in ops[i:j] if not op.ok)
        back, line = (ops[j][1].t, ops[j][0]) if j < len(ops) else (None, None)
        found.append(Outage(ops[i][1].t, last_failed, back, seen, failed, j - i, line))
        i = stretch.end(j) if j < len(ops) else j  # failures inside a good stretch are the one percent it allows
    return tuple(found)


def outage(journal: Journal, journey: str) -> Outage | None:
    """All of a journey's outages as one: from the first failed operation to the return that counts."""
    found = outages(journal, journey)
    if not found:
        return None
    worst = max(o.length for o in found)
    counted = [k for k, o in enumerate(found) if o.length >= min(journal.plan.hold, worst)]
    last = found[counted[-1]]
    failed = tuple(n for o in found[: counted[-1] + 1] for n in o.failed)
    until = last.seen if last.back is None else last.back
    n = sum(found[0].start <= op.t < until for _, op, p in studied(journal, journey) if p != "before")
    return Outage(found[0].start, last.last_failed, last.back, last.seen, failed, max(n, len(failed)), last.returned)


def every_outage(journal: Journal) -> dict[str, Outage | None]:
    """The outage of each journey that was used since the first fault; None where nothing failed."""
    used = sorted({op.journey for _, op, p in studied(journal) if p != "before"})
    return {journey: outage(journal, journey) for journey in used}


def rto_s(o: Outage | None) -> float | None:
    """Seconds from the first failed operation to the return; 0.0 when none failed, None when it never came back."""
    if o is None:
        return 0.0
    return None if o.back is None else o.back - o.start


def incident_s(plan: Plan) -> float | None:
    """Length of the incident in run seconds; None where the plan has no incident."""
    hours = plan.incident.get("when", {}).get("outage_hours")
    return None if hours is None else float(hours) * 3600 / plan.scale


def fraction(journal: Journal, t: float) -> float:
    """(t - onset) / length of the incident, the onset being the first fault."""
    length = incident_s(journal.plan)
    assert length, "only a run with an incident has fractions of it"
    return (t - journal.plan.onset) / length


def recovery(journal: Journal) -> dict[str, dict[str, Any]]:
    """rto_s, return_fraction and outage of every journey that was used since the first fault."""
    found = every_outage(journal)
    measures: dict[str, dict[str, Any]] = {
        "rto_s": {j: _round(rto_s(o), 3) for j, o in found.items()},
        "outage": {
            j: {
                "from": round(o.start, 3),
                "last_failed": round(o.last_failed, 3),
                "back": _round(o.back, 3),
                "failed": len(o.failed),
                "of": o.n,
            }
            for j, o in found.items()
            if o
        },
    }
    if incident_s(journal.plan):
        backs = {j: journal.plan.onset if o is None else o.back for j, o in found.items()}
        measures["return_fraction"] = {
            j: None if t is None else round(fraction(journal, t), 4) for j, t in backs.items()
        }
    return measures


class _Stretch:
    """Answers whether a stretch of `hold` seconds from an operation on is good, in logarithmic time."""

    def __init__(self, ops: Sequence[Op], hold: float, seen: float) -> None:
        self.times = [op.t for op in ops]
        self.oks = [0, *accumulate(int(op.ok) for op in ops)]
        self.hold, self.seen = hold, seen

    def end(self, j: int) -> int:
        """Index of the first operation after the stretch that begins at operation `j`."""
        return max(bisect_left(self.times, self.times[j] + self.hold), j + ENOUGH)

    def good(self, j: int) -> bool:
        end = self.end(j)
        if end > len(self.times) or self.times[j] + self.hold > self.seen or self.oks[j + 1] == self.oks[j]:
            return False  # nobody looked that long, or it does not even begin well
        return self.oks[end] - self.oks[j] >= WELL * (end - j)


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
