"""Users must have lost exactly the journeys that the roster says: those that need a component nobody owns any more.

`by: lapse` speaks of orphans whose chore, left undone, breaks them, `by: drop` of orphans that the timeline stopped.
Looked at are the `tail` seconds (of the run) before people are back, or before somebody begins to repair. The summary
is the measured curve beside the computed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.incidents.measures.departures import TAIL, Departure, departures, roster
from chaos.judge.measures.recovery import ENOUGH
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.journal import Journal
from chaos.units import Count, Seconds


@final
@dataclass(frozen=True)
class Orphans(Checker):
    of_users: ClassVar = True
    fails: ClassVar = "users lost other journeys than the roster predicts"
    least: ClassVar = ENOUGH
    fewer: ClassVar = (
        "so many of each journey in the last seconds of a departure, where a lost journey fails all of them"
    )
    looser: ClassVar = {"strays": 1}

    by: Literal["lapse", "drop"]
    tail: Seconds = TAIL
    strays: Count = 0  # journeys lost or kept against expectation in one departure, at most

    def check(self, journal: Journal) -> Finding:
        name = f"orphans {self.by}"
        found = departures(journal, self.by == "lapse", self.tail)
        if not found:
            return Finding(name, Verdict.INCONCLUSIVE, "no departure was confirmed")
        journeys = set(roster(journal).journeys) & set(journal.journeys)
        unused = {j for d in found for j in journeys - set(d.used)}
        if unused:
            words = f"too few operations in the last {self.tail:g} s of a departure: {', '.join(sorted(unused))}"
            return Finding(name, Verdict.INCONCLUSIVE, words)
        wrong = [d for d in found if len(_strays(d, journeys)) > self.strays]
        words = "; ".join(_said(d, journeys) for d in found)
        evidence = tuple(dict.fromkeys(e for d in wrong for e in d.evidence))
        return Finding(name, Verdict.FAIL if wrong else Verdict.PASS, words, evidence)


def _strays(d: Departure, journeys: set[str]) -> set[str]:
    """Return the journeys of the roster that were lost or kept against expectation."""
    return (set(d.expected) ^ set(d.measured)) & journeys


def _said(d: Departure, journeys: set[str]) -> str:
    lost = set(d.measured) & journeys
    words = f"{d.step}: {d.share:.0%} of the people gone, {len(d.orphans)} of {d.components} components orphaned"
    words += f" ({', '.join(d.orphans)})" if d.orphans else ""
    words += f", {len(lost)} of {len(journeys)} journeys lost, computed {len(d.expected)}"
    if spared := set(d.expected) - lost:
        words += f"; not lost: {', '.join(sorted(spared))}"
    if more := lost - set(d.expected):
        words += f"; lost for no reason of the roster: {', '.join(sorted(more))}"
    return words
