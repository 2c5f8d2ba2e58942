"""At most this share of refreshes since the first fault may show content older than so much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.staleness import age, shown
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.units import in_words


@final
@dataclass(frozen=True)
class Staleness(Checker):
    journey: str
    older_than: float  # run seconds
    at_most: float  # 0..1

    def check(self, journal: Journal) -> Finding:
        name = f"staleness {self.journey}"
        ops = [(n, op) for n, op, p in shown(journal, self.journey) if p != "before"]
        if not ops:
            words = f"no operation of {self.journey} since the first fault says how old its content was"
            return Finding(name, Verdict.INCONCLUSIVE, words)
        old = [n for n, op in ops if age(op) > self.older_than]
        limit = in_words(self.older_than * journal.plan.scale)
        verdict = Verdict.PASS if len(old) <= self.at_most * len(ops) else Verdict.FAIL
        summary = f"{len(old):,} of {len(ops):,} refreshes showed content older than {limit}"
        return Finding(name, verdict, f"{summary}, wanted at most {self.at_most * 100:.6g}%", cite(ops=old))
