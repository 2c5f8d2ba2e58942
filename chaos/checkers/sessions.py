"""At least this share of the users who were logged in before the first fault must stay so: of one type of client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.errors import BadExperiment
from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.sessions import kept
from chaos.model import Finding, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Sessions(Checker):
    client: str  # web, app, third-party, business
    at_least: float  # 0..1

    def __post_init__(self) -> None:
        if not 0 <= self.at_least <= 1:
            raise BadExperiment(f"sessions.at_least: found {self.at_least:.6g}, expected 0 to 1, such as 99%")

    def check(self, journal: Journal) -> Finding:
        name = f"sessions {self.client}"
        before, out = kept(journal, self.client)
        if not before:
            words = f"no {self.client} user was logged in before the first fault"
            return Finding(name, Verdict.INCONCLUSIVE, words)
        share = 1 - len(out) / len(before)
        verdict = Verdict.PASS if share >= self.at_least else Verdict.FAIL
        summary = f"{len(before) - len(out):,} of {len(before):,} users were never thrown out ({share:.2%})"
        wanted = f"{summary}, wanted at least {self.at_least * 100:.6g}%"
        return Finding(name, verdict, wanted, cite(ops=sorted(out.values())))
