"""Assumption: the load's event loop ran. While it stands still no user does anything, so nothing can fail.

Typical is a driver in C that waits for its socket without gevent, such as psycopg2. Loads of older versions did not
look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.model import Event, Finding, Verdict
from chaos.protocols import Assumption, Checker
from chaos.record.evidence import cite
from chaos.record.journal import Journal, Line

LONG = 1.0  # seconds: limit of one stall
MOST = 0.05  # limit of all stalls, as a share of the run


@final
@dataclass(frozen=True)
class EventLoop(Assumption):
    place: ClassVar = 6
    excuse: ClassVar = "the load itself stood still (see event-loop), so the cause is unknown"
    least: ClassVar = 1
    fewer: ClassVar = "it looks for stalls of the load"

    def applies(self, journal: Journal) -> bool:
        return any(journal.of("load.blocked"))

    def check(self, journal: Journal) -> Finding:
        found = [(n, e, _seconds(e, journal)) for n, e in journal.of("load.blocked")]
        line, worst, longest = max(found, key=lambda one: one[2])
        total = sum(seconds for _, _, seconds in found)
        length = journal.plan.steady + journal.plan.length + journal.plan.recover
        times = f"{len(found)} times, {total:.1f} s in all" if len(found) > 1 else "once"
        words = f"the load's event loop stood still {times}, longest {longest:.1f} s from {worst.t:.1f} s on"
        words += _where(worst)
        if longest < LONG and total <= MOST * length:
            return Finding("event-loop", Verdict.PASS, f"{words} (limits {LONG:g} s, and {MOST:.0%} of the run)")
        words += "; meanwhile no user did anything, so what happened then was not seen"
        lines = [line, *(n for n, _, _ in found if n != line)]
        return Finding("event-loop", Verdict.INCONCLUSIVE, words, cite(journal=lines))

    def excuses(self, checker: Checker) -> bool:
        return not checker.convicts_starved


def _seconds(event: Event, journal: Journal) -> float:
    """How long it lasted; without an end, until the load ended."""
    if (seconds := event.data.get("seconds")) is not None:
        return float(seconds)
    end = journal.plan.length + journal.plan.recover
    return max([end, *(e.t for _, e in journal.of("load.stop"))]) - event.t


def _where(event: Event) -> str:
    where: list[Line | str] = list(event.data.get("where", ()))
    if not where:
        return ", in no known line (the process may have had no processor)"
    return f", in {' → '.join(map(str, where))}: use a driver that yields to gevent"
