"""A journey must be back within this time after its first failed operation, and stay back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.measures.phases import resolution, studied
from chaos.judge.measures.recovery import outage
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Seconds, both


@final
@dataclass(frozen=True)
class Recovery(Checker):
    of_users: ClassVar = True
    fails: ClassVar = "users did not recover in time, counted from their first failed operation"
    looser: ClassVar = {"within": 1}
    convicts_early: ClassVar = True

    journey: str
    within: Seconds

    def check(self, journal: Journal) -> Finding:
        name = f"recovery {self.journey}"
        n = sum(p != "before" for _, _, p in studied(journal, self.journey))
        if thin := too_few(name, n, self.least, f"operations of {self.journey} since the first fault"):
            return thin
        o, wanted = outage(journal, self.journey), both(self.within, journal.plan.scale)
        if o is None:
            return Finding(name, Verdict.PASS, f"none of {n:,} operations failed, wanted back within {wanted}")
        if o.back is None:
            seen = o.seen - o.start
            if seen < self.within + journal.plan.hold:
                words = f"not back after {seen:.2f} s, when the load ended; wanted within {wanted}: increase `recover`"
                return Finding(name, Verdict.INCONCLUSIVE, words, cite(ops=o.failed))
            return Finding(name, Verdict.FAIL, f"never recovered, wanted within {wanted}", cite(ops=o.failed))
        took = o.back - o.start
        grain = resolution(journal, self.journey)
        known = f", known to {grain:.2f} s" if grain else ""
        summary = f"back after {both(took, journal.plan.scale)}, wanted within {wanted}{known}"
        verdict = Verdict.PASS if took <= self.within else Verdict.FAIL
        return Finding(name, verdict, summary, cite(ops=o.failed))
