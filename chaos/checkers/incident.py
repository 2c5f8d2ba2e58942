"""What the incident's dossier says must come out of the run, beside what did.

Targets the dossier was calibrated by, and those named in `reproduced` (this experiment was set by them), are no
predictions: a run that does not even reproduce them is INCONCLUSIVE, not FAIL. Targets that this form of the
experiment cannot show are named and not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from chaos.incident import Row, rows
from chaos.journal import Journal
from chaos.model import Finding, Verdict
from chaos.protocols import Checker

JUDGED = ("predict", "control")


@final
@dataclass(frozen=True)
class Incident(Checker):
    targets: tuple[str, ...] = JUDGED
    reproduced: tuple[str, ...] = ()  # names of targets this experiment was set by

    def refused(self, incident: Mapping[str, Any]) -> Iterator[str]:
        """Why no plan may have this check beside this dossier: what set a run cannot judge it."""
        targets = incident.get("targets", {})
        if not targets:
            yield "incident: the experiment names no incident with targets; name one with `incident:`"
        for use in self.targets:
            if use == "calibrate":
                those = ", ".join(n for n, t in targets.items() if t.get("use") == use)
                yield (
                    f"incident.targets: found calibrate, expected {' or '.join(JUDGED)}: a run is set by these targets "
                    f"({those}), so it cannot be judged by them; they are shown as reproduced without being named here"
                )
            elif use not in JUDGED:
                yield f"incident.targets: found {use!r}, expected {' or '.join(JUDGED)}"
        for name in self.reproduced:
            if name not in targets:
                yield f"incident.reproduced: the dossier has no target {name!r}; known: {', '.join(sorted(targets))}"

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
        strayed = [r.name for r in found if r.use == "calibrate" and r.holds is False]
        another = bool(strayed) and not journal.plan.short  # another incident than the dossier's predicts nothing
        if missed and (not another or any(r.use == "control" for r in missed)):
            return Finding("incident", Verdict.FAIL, "; ".join(map(_missed, missed)), evidence)
        if unknown or not judged:
            words = "; ".join(f"{r.name}: {r.note}" for r in unknown) or "no target of this incident could be judged"
            return Finding("incident", Verdict.INCONCLUSIVE, words)
        hidden = [r.name for r in found if not r.shown and r.use in self.targets]
        aside = f"; not shown by this form: {', '.join(hidden)}" if hidden else ""
        names = ", ".join(r.name for r in judged)
        if strayed:
            aside += f"; set by the facts and yet not reproduced: {', '.join(strayed)}"
            if another:
                return Finding("incident", Verdict.INCONCLUSIVE, aside.removeprefix("; "))
        return Finding("incident", Verdict.PASS, f"{len(judged)} of {len(judged)} targets hold: {names}{aside}")


def _missed(row: Row) -> str:
    note = f" ({row.note})" if row.note else ""
    return f"{row.name} is {_said(row.measured)}, the fact is {_said(row.fact)}{note}"


def _said(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
