"""What the incident's dossier says must come out of the run, beside what did.

Targets the dossier was calibrated by, and those named in `reproduced` (this experiment was set by them), are no
predictions: a run that does not even reproduce them is INCONCLUSIVE, not FAIL. Targets that this form of the
experiment cannot show are named and not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from chaos.incidents.carried import dossier
from chaos.incidents.measures import rows
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.findings import FactRow
from chaos.record.journal import Journal

JUDGED = ("predict", "control")


@final
@dataclass(frozen=True)
class Incident(Checker):
    fails: ClassVar = "a fact marked predict or control is not reproduced"
    least: ClassVar = 1
    fewer: ClassVar = "a target is one figure of the run, and its row says what it rests on"
    looser: ClassVar = {"missed": 1}

    targets: tuple[str, ...] = JUDGED
    reproduced: tuple[str, ...] = ()  # names of targets that this experiment was calibrated with
    missed: tuple[str, ...] = ()  # names of targets that need not hold

    def refused(self, extensions: Mapping[str, Any]) -> Iterator[str]:
        """Yield the problems: no incident, unknown targets, or targets that calibrate a run and so cannot judge it."""
        targets = extensions.get("incident", {}).get("targets", {})
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
        for place, names in (("reproduced", self.reproduced), ("missed", self.missed)):
            for name in names:
                if name not in targets:
                    yield f"incident.{place}: the dossier has no target {name!r}; known: {', '.join(sorted(targets))}"

    def check(self, journal: Journal) -> Finding:
        known = set(dossier(journal.plan).get("targets", {}))
        if strange := sorted(set(self.reproduced) - known):
            words = f"reproduced: the dossier has no target {', '.join(strange)}; known: {', '.join(sorted(known))}"
            return Finding("incident", Verdict.INCONCLUSIVE, words)
        found = rows(journal, self.reproduced)
        judged = [r for r in found if r.judged and r.use in self.targets and r.name not in self.missed]
        missed = [r for r in judged if r.holds is False]
        unknown = [r for r in judged if r.holds is None]
        evidence = tuple(dict.fromkeys(name for r in missed for name in r.evidence))
        strayed = [r.name for r in found if r.use == "calibrate" and r.holds is False]
        # If the facts that it was calibrated with do not hold, the run replays another incident, and its misses prove
        # nothing.
        another = bool(strayed) and not journal.plan.short
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


def _missed(row: FactRow) -> str:
    note = f" ({row.note})" if row.note else ""
    return f"{row.name} is {_said(row.measured)}, the fact is {_said(row.fact)}{note}"


def _said(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
