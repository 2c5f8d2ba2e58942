"""Assumption: a locustfile's users saw what happened. They wait for answers, so they make fewer operations in a stall.

The finding says how much that can hide in this run. It does not hold if nothing was asked for seconds, or if users were
gone or still waiting: operations that were never made cannot fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.measures.closed_loop import ClosedLoop as Figures
from chaos.judge.measures.closed_loop import closed_loop
from chaos.model import Event, Finding, Verdict
from chaos.protocols import Assumption
from chaos.record.evidence import cite
from chaos.record.journal import Journal, Line

INSTEAD = "give the requests a time-out, or use `load.http` or `load.users`, whose arrivals are open"


@final
@dataclass(frozen=True)
class ClosedLoop(Assumption):
    place: ClassVar = 5
    least: ClassVar = 1
    fewer: ClassVar = "it looks for operations that are missing"

    def applies(self, journal: Journal) -> bool:
        return journal.plan.load.locust is not None

    def check(self, journal: Journal) -> Finding:
        seen = closed_loop(journal)
        gone, waiting = list(journal.of("load.died")), list(journal.of("load.unfinished"))
        doubts = [*_silent(seen), *_gone(gone), *_waiting(waiting)]
        if doubts:
            lines = [n for n, _ in (*gone, *waiting)]
            evidence = cite(journal=lines, ops=seen.around if seen.silent else ())
            words = "; ".join([*doubts, *([INSTEAD] if seen.silent or waiting else [])])
            return Finding("closed-loop", Verdict.INCONCLUSIVE, f"{words}. {_hidden(seen)}", evidence)
        return Finding("closed-loop", Verdict.PASS, _hidden(seen))


def _hidden(seen: Figures) -> str:
    """What this load cannot show."""
    if not seen.rate:
        return "Locust's users wait for each answer, and made no operation before the first fault"
    words = (
        f"Locust's {seen.users} users wait for each answer and made {seen.rate:.3g} operations/s before the first "
        f"fault. A stall longer than {seen.stops_after:.2g} s stops all of them: however long it lasts, it counts as "
        f"{seen.users} of {seen.n:,} operations at most ({seen.share:.1%})"
    )
    if seen.disturbed and seen.needed > seen.users:
        words += f", and to show {seen.disturbed:.3g} s of it, as long as the faults, takes {seen.needed:,} users"
    return words


def _silent(seen: Figures) -> Iterator[str]:
    if seen.silent:
        yield (
            f"nothing was asked for {seen.silence:.1f} s from {seen.silent_from:.1f} s on, because every user waited; "
            f"open arrivals would have made about {seen.missing:.0f} operations, and nobody knows their results"
        )


def _gone(found: list[tuple[Line, Event]]) -> Iterator[str]:
    if found:
        what = found[-1][1].data.get("what", "?")
        yield f"{_users(found)} ended before the first task ({what})"


def _waiting(found: list[tuple[Line, Event]]) -> Iterator[str]:
    if found:
        longest = max((e for _, e in found), key=lambda e: float(e.data.get("seconds", 0.0)))
        which = f"{longest.data.get('what', '?')}, {float(longest.data.get('seconds', 0.0)):.1f} s"
        were = "was" if len(found) == 1 else "were"
        yield f"{_users(found)} {were} still waiting in a task when the load ended ({which}), which no operation shows"


def _users(found: list[tuple[Line, Event]]) -> str:
    return f"{len(found)} user{'s' * (len(found) > 1)}"
