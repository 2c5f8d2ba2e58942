"""What the incident's dossier says must come out of the run, beside what did.

Targets the dossier was calibrated by, and those named in `reproduced` (this experiment was set by them), are no
predictions: a run that does not even reproduce them is INCONCLUSIVE, not FAIL. Targets that this form of the
experiment cannot show are named and not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from chaos.incident import Row, rows
from chaos.journal import Journal
from chaos.model import Finding, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Incident(Checker):
    targets: tuple[Literal["predict", "control", "calibrate"], ...] = ("predict", "control")
    reproduced: tuple[str, ...] = ()  # names of targets this experiment was set by

    def check(self, journal: Journal) -> Finding:
        known = set(journal.plan.incident.get("targets", {}))
        if strange := sorted(set(self.reproduced) - known):
            words = f"reproduced: the dossier has no target {', '.join(strange)}; known: {', '.join(sorted(known))}"
            return Finding("incident", Verdict.INCONCLUSIVE, words)
        found = rows(journal, self.reproduced)
        judged = [r for r in found if r.judged and r.use in self.targets]
        missed = [r for r in judged if r.holds is False]
        unknown = [r for r in judged if r.holds is None]
        evidence = tuple(dict.fromkeys(name for r in missed for name in r.evidence))
        if missed:
            return Finding("incident", Verdict.FAIL, "; ".join(map(_missed, missed)), evidence)
        if unknown or not judged:
            words = "; ".join(f"{r.name}: {r.note}" for r in unknown) or "no target of this incident could be judged"
            return Finding("incident", Verdict.INCONCLUSIVE, words)
        hidden = [r.name for r in found if not r.shown and r.use in self.targets]
        aside = f"; not shown by this form: {', '.join(hidden)}" if hidden else ""
        names = ", ".join(r.name for r in judged)
        strayed = [r.name for r in found if r.use == "calibrate" and r.holds is False]
        if strayed:
            aside += f"; set by the facts and yet not reproduced: {', '.join(strayed)}"
            if not journal.plan.short:  # another incident than the dossier's: what it predicts says nothing
                return Finding("incident", Verdict.INCONCLUSIVE, aside.removeprefix("; "))
        return Finding("incident", Verdict.PASS, f"{len(judged)} of {len(judged)} targets hold: {names}{aside}")


def _missed(row: Row) -> str:
    note = f" ({row.note})" if row.note else ""
    return f"{row.name} is {row.measured}, the fact is {row.fact}{note}"
