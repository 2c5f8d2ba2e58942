"""Outages: when each journey failed, and when it was back for good.

A journey is back at the start of the first period of `plan.hold` seconds, with at least three operations, in which 99 %
succeed. A run may have several outages. The last return counts, because users who are thrown out again were not back. A
later outage that is shorter than `hold`, and not the longest one, does not count: it affects availability only. Two
good seconds are not enough for a recovery, so one bad second is not enough for a relapse.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from chaos.judge import beside
from chaos.judge.measures.phases import studied
from chaos.record.findings import Outage as Measured
from chaos.record.journal import Journal, Line

WELL = 0.99  # success rate of a healthy journey
ENOUGH = 3  # operations: fewer successes in a row prove nothing, however long they take


@dataclass(frozen=True)
class Outage:
    """The time from the first failed operation to the return, in seconds on the timeline.

    The actual return lies between `last_failed` and `back`: there were no operations in between.
    """

    start: float
    last_failed: float
    back: float | None  # None: not back before the load ended
    seen: float  # end of the recorded operations
    failed: tuple[Line, ...]  # operations that failed during the outage
    n: int  # operations during the outage, including the failed ones
    returned: Line | None  # the first operation of the period that counts as back

    @property
    def length(self) -> float:
        return (self.seen if self.back is None else self.back) - self.start


class Reply(NamedTuple):
    """An operation, or an answer to a probe, for the purpose of outages."""

    line: Line
    t: float
    ok: bool


def outages(journal: Journal, journey: str) -> tuple[Outage, ...]:
    """Every outage since the first fault, in order. Operations are placed at their intended start."""
    seen = max((op.t for _, op in journal.operations()), default=0.0)
    return spells(_since(journal, journey), journal.plan.hold, seen)


def outage(journal: Journal, journey: str) -> Outage | None:
    """All outages of a journey as one: from the first failed operation to the return that counts."""
    return joined(outages(journal, journey), _since(journal, journey), journal.plan.hold)


def _since(journal: Journal, journey: str) -> list[Reply]:
    """The operations since the first fault, in order."""
    found = [Reply(n, op.t, op.ok) for n, op, p in studied(journal, journey) if p != "before"]
    return sorted(found, key=lambda r: (r.t, r.line))


def spells(replies: Sequence[Reply], hold: float, seen: float) -> tuple[Outage, ...]:
    """Every outage in these replies, which are in order. `seen`: the time until which there is data."""
    stretch = _Stretch(replies, hold, seen)
    found, i = [], 0
    while i < len(replies):
        if replies[i].ok:
            i += 1
            continue
        j = next((j for j in range(i + 1, len(replies)) if stretch.good(j)), len(replies))
        failed = tuple(r.line for r in replies[i:j] if not r.ok)
        last_failed = max(r.t for r in replies[i:j] if not r.ok)
        back, line = (replies[j].t, replies[j].line) if j < len(replies) else (None, None)
        found.append(Outage(replies[i].t, last_failed, back, seen, failed, j - i, line))
        i = stretch.end(j) if j < len(replies) else j  # failures inside a good period are within the one percent
    return tuple(found)


def joined(found: Sequence[Outage], replies: Sequence[Reply], hold: float) -> Outage | None:
    """All outages as one: from the first failure to the return that counts. None if there is none."""
    if not found:
        return None
    worst = max(o.length for o in found)
    counted = [k for k, o in enumerate(found) if o.length >= min(hold, worst)]
    last = found[counted[-1]]
    failed = tuple(n for o in found[: counted[-1] + 1] for n in o.failed)
    until = last.seen if last.back is None else last.back
    n = sum(found[0].start <= r.t < until for r in replies)
    return Outage(found[0].start, last.last_failed, last.back, last.seen, failed, max(n, len(failed)), last.returned)


def every_outage(journal: Journal) -> dict[str, Outage | None]:
    """The outage of each journey that was used since the first fault; None if no operation failed."""
    used = sorted({op.journey for _, op, p in studied(journal) if p != "before"})
    return {journey: outage(journal, journey) for journey in used}


def rto_s(o: Outage | None) -> float | None:
    """Seconds from the first failed operation to the return; 0.0 if none failed, None if it never came back."""
    if o is None:
        return 0.0
    return None if o.back is None else o.back - o.start


def fraction(journal: Journal, t: float) -> float:
    """(t - onset) / length of the incident, where the onset is the first fault."""
    length = beside.length(journal.plan)
    assert length, "only a run with an incident has fractions of it"
    return (t - journal.plan.onset) / length


Outages = Mapping[str, Outage | None]  # by journey; None where nothing failed


def away(outages: Outages) -> dict[str, float | None]:
    """rto_s of each journey, rounded."""
    return {journey: _round(rto_s(o), 3) for journey, o in outages.items()}


def worst(outages: Outages) -> dict[str, Measured]:
    """The outages of all journeys that had one, in the form of findings.json."""
    return {
        j: Measured(round(o.start, 3), round(o.last_failed, 3), _round(o.back, 3), len(o.failed), o.n)
        for j, o in outages.items()
        if o
    }


def return_fractions(journal: Journal, outages: Outages) -> dict[str, float | None] | None:
    """When each journey was back, as a fraction of the incident; None if the plan has no incident."""
    if not beside.length(journal.plan):
        return None
    backs = {j: journal.plan.onset if o is None else o.back for j, o in outages.items()}
    return {j: None if t is None else round(fraction(journal, t), 4) for j, t in backs.items()}


class _Stretch:
    """Tells in logarithmic time whether the `hold` seconds that start at an operation are good."""

    def __init__(self, replies: Sequence[Reply], hold: float, seen: float) -> None:
        self.times = [r.t for r in replies]
        self.oks = [0, *accumulate(int(r.ok) for r in replies)]
        self.hold, self.seen = hold, seen

    def end(self, j: int) -> int:
        """Index of the first operation after the stretch that begins at operation `j`."""
        return max(bisect_left(self.times, self.times[j] + self.hold), j + ENOUGH)

    def good(self, j: int) -> bool:
        end = self.end(j)
        if end > len(self.times) or self.times[j] + self.hold > self.seen or self.oks[j + 1] == self.oks[j]:
            return False  # there is no data for that long, or it starts with a failure
        return self.oks[end] - self.oks[j] >= WELL * (end - j)


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
