"""At least this share of operations must succeed: of one journey or of all, in one phase of the run or in all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from chaos.errors import BadExperiment
from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.phases import studied
from chaos.model import Finding, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Availability(Checker):
    at_least: float  # 0..1
    journey: str = ""  # empty: all journeys together
    phase: Literal["all", "before", "during", "after"] = "all"

    def __post_init__(self) -> None:
        if not 0 <= self.at_least <= 1:
            raise BadExperiment(f"availability.at_least: found {self.at_least:.6g}, expected 0 to 1, such as 99%")

    def check(self, journal: Journal) -> Finding:
        name = f"availability {self.journey}".rstrip()
        ops = [(n, op) for n, op, p in studied(journal, self.journey or None) if self.phase in ("all", p)]
        when = "" if self.phase == "all" else f" {self.phase} the faults"
        if not ops:
            who = self.journey or "anybody"
            return Finding(name, Verdict.INCONCLUSIVE, f"no operation of {who} was recorded{when}")
        bad = [n for n, op in ops if not op.ok]
        verdict = Verdict.PASS if 1 - len(bad) / len(ops) >= self.at_least else Verdict.FAIL
        summary = f"{len(ops) - len(bad):,} of {len(ops):,} ok{when} ({1 - len(bad) / len(ops):.2%})"
        return Finding(name, verdict, f"{summary}, wanted at least {self.at_least * 100:.6g}%", cite(ops=bad))
