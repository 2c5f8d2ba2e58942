"""A journey must be back within this long of its first failed operation, and stay back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.phases import resolution, studied
from chaos.measures.recovery import outage
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.units import in_words


@final
@dataclass(frozen=True)
class Recovery(Checker):
    journey: str
    within: float  # run seconds

    def check(self, journal: Journal) -> Finding:
        name = f"recovery {self.journey}"
        n = sum(p != "before" for _, _, p in studied(journal, self.journey))
        if not n:
            return Finding(name, Verdict.INCONCLUSIVE, f"no operation of {self.journey} since the first fault")
        o, wanted = outage(journal, self.journey), _both(self.within, journal.plan.scale)
        if o is None:
            return Finding(name, Verdict.PASS, f"none of {n:,} operations failed, wanted back within {wanted}")
        if o.back is None:
            seen = o.seen - o.start
            if seen < self.within + journal.plan.hold:
                words = f"not back after {seen:.2f} s, when the load ended; wanted within {wanted}: let it run longer"
                return Finding(name, Verdict.INCONCLUSIVE, words, cite(ops=o.failed))
            return Finding(name, Verdict.FAIL, f"never came back, wanted within {wanted}", cite(ops=o.failed))
        took = o.back - o.start
        grain = resolution(journal, self.journey)
        known = f", known to {grain:.2f} s" if grain else ""
        summary = f"back after {_both(took, journal.plan.scale)}, wanted within {wanted}{known}"
        verdict = Verdict.PASS if took <= self.within else Verdict.FAIL
        return Finding(name, verdict, summary, cite(ops=o.failed))


def _both(seconds: float, scale: float) -> str:
    """In incident time where there is one, and in run time."""
    return f"{seconds:.2f} s" if scale == 1 else f"{in_words(seconds * scale)} of incident time ({seconds:.2f} s)"
