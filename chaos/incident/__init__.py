"""An incident's facts beside what a run measured: one row a target of its dossier in seeds/.

Each family of measures is a module of its own that says which targets it measures; which of them a run may be
judged by is the dossier's word: `when` (settings it speaks of), `driver: failover` (not scaled, so comparable at the
dossier's full scale only).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chaos.incident import returns, staff, storm
from chaos.incident.row import Measure, Measured, Measures, Row, Seen, Target
from chaos.journal import Journal

__all__ = ["Row", "rows"]

USES = ("predict", "control", "calibrate")
MEASURED_BY: Measures = (  # the first pattern that matches
    *staff.MEASURES,
    *storm.MEASURES,
    *returns.MEASURES,
)


def rows(journal: Journal, reproduced: Collection[str] = ()) -> tuple[Row, ...]:
    """A row for each target that speaks of this run's settings. `reproduced` names those this experiment was set by."""
    facts = journal.plan.incident
    seen = Seen(journal)
    found = [_row(seen, name, target, reproduced) for name, target in _targets(facts, journal.plan.settings)]
    # A plan that was saved and read again has its keys in another order.
    return tuple(sorted(found, key=lambda row: (USES.index(row.use), row.name)))


def _targets(facts: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, Target]]:
    for name, target in facts.get("targets", {}).items():
        if _applies(target.get("when", {}), settings):
            yield name, target
    for what_if in facts.get("counterfactuals", ()):
        # Only those that say in figures what they expect: the rest is for people, and for other experiments.
        if "target" in what_if and _applies(what_if["knobs"], settings):
            yield f"counterfactual_{what_if['target']}", {**what_if, "use": what_if.get("use", "predict")}


def _applies(when: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    return all(settings.get(k) == v for k, v in when.items())


def _row(seen: Seen, name: str, target: Target, reproduced: Collection[str]) -> Row:
    plan, use, fact = seen.journal.plan, str(target["use"]), _fact(target)
    if use == "predict" and name in reproduced:
        use = "calibrate"
    full = plan.incident.get("scale", {}).get("full_tail")
    if target.get("driver") == "failover" and full is not None and plan.scale != full:
        note = f"failover is not scaled: shown at scale {full} only, this run's is {plan.scale:g}"
        return Row(name, use, fact, note=note, shown=False)
    measure = _measurement(name)
    measured, holds, note, evidence = measure(seen, name, target)
    shown = not (plan.short and measured is None and measure is not _input)
    if not shown:
        holds, note = None, f"the short form does not reach it ({note})"
    return Row(name, use, fact, measured, holds, note, shown, evidence)


def _fact(target: Target) -> Any:
    """A value, or what is said in its stead: a formula, a bound."""
    if "value" in target:
        return target["value"]
    bounds = {"at_least": "at least", "at_most": "at most"}
    words = [f"{said} {target[key]}" for key, said in bounds.items() if key in target]
    return target.get("formula") or ", ".join(words)


def _measurement(name: str) -> Measure:
    for pattern, measured_by in MEASURED_BY:
        if re.fullmatch(pattern, name):
            return measured_by
    return _input


def _input(seen: Seen, name: str, target: Target) -> Measured:
    return None, None, "an input of the plant, not measured on its own", ()
