"""At least this share of operations must succeed, for one journey or all of them, in one phase of the run or all
of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.judge.measures import intervals
from chaos.judge.measures.phases import studied
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Ratio


@final
@dataclass(frozen=True)
class Availability(Checker):
    of_users: ClassVar = True
    fails: ClassVar = "fewer operations succeeded"
    looser: ClassVar = {"at_least": -1}

    at_least: Ratio
    journey: str = ""  # empty: all journeys together
    phase: Literal["all", "before", "during", "after"] = "all"

    def check(self, journal: Journal) -> Finding:
        name = f"availability {self.journey}".rstrip()
        ops = [(n, op) for n, op, p in studied(journal, self.journey or None) if self.phase in ("all", p)]
        when = "" if self.phase == "all" else f" {self.phase} the faults"
        if thin := too_few(name, len(ops), self.least, f"operations of {self.journey or 'all journeys'}{when}"):
            return thin
        bad = [n for n, op in ops if not op.ok]
        good = len(ops) - len(bad)
        verdict = Verdict.PASS if good / len(ops) >= self.at_least else Verdict.FAIL
        summary = f"{good:,} of {len(ops):,} ok{when} ({intervals.share(good, len(ops))})"
        return Finding(name, verdict, f"{summary}, wanted at least {self.at_least * 100:.6g}%", cite(ops=bad))
