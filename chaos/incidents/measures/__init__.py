"""Compares the facts of an incident with what a run measured: one row for each target of its dossier in seeds/.

Each module of measures lists the targets that it measures. The dossier decides which of them a run is judged by:
`when` gives the settings that a target applies to, and `driver: failover` marks a time that is not scaled, which is
comparable at the dossier's full scale only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chaos.experiment.plan import Plan
from chaos.incidents.carried import dossier
from chaos.incidents.measures import returns, staff, storm
from chaos.incidents.measures.row import Measure, Measured, Measures, Seen, Target
from chaos.record.findings import FactRow
from chaos.record.journal import Journal

USES = ("predict", "control", "calibrate")
MEASURED_BY: Measures = (  # the first pattern that matches a target's name counts
    *staff.MEASURES,
    *storm.MEASURES,
    *returns.MEASURES,
)


CHECK = "incident"  # its parameter `reproduced` names the targets that the experiment was calibrated with


def facts(journal: Journal) -> tuple[FactRow, ...]:
    """Return the rows of a run, whether or not a check judges them."""
    spec = next((c for c in journal.plan.checks if c.check == CHECK), None)
    return rows(journal, tuple(spec.params.get("reproduced", ())) if spec else ())


def figures(plan: Plan) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the name and (least, most) of each target of this run that is a number or a range."""
    for name, target in dossier(plan).get("targets", {}).items():
        value = target.get("value")
        span = value if isinstance(value, list | tuple) else (value, value)
        if _applies(target.get("when", {}), plan.settings) and len(span) == 2 and all(map(_number, span)):
            yield name, (float(span[0]), float(span[1]))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def rows(journal: Journal, reproduced: Collection[str] = ()) -> tuple[FactRow, ...]:
    """Return a row for each target that applies to this run's settings. `reproduced`: those it was calibrated with."""
    plan, seen = journal.plan, Seen(journal)
    found = [_row(seen, name, target, reproduced) for name, target in _targets(dossier(plan), plan.settings)]
    # Sort the rows, because a plan that was saved and read again has its keys in another order.
    return tuple(sorted(found, key=lambda row: (USES.index(row.use), row.name)))


def _targets(facts: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, Target]]:
    for name, target in facts.get("targets", {}).items():
        if _applies(target.get("when", {}), settings):
            yield name, target
    for what_if in facts.get("counterfactuals", ()):
        # Only a counterfactual with a target states a figure. The others are for readers, and for other experiments.
        if "target" in what_if and _applies(what_if["knobs"], settings):
            yield f"counterfactual_{what_if['target']}", {**what_if, "use": what_if.get("use", "predict")}


def _applies(when: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    return all(settings.get(k) == v for k, v in when.items())


def _row(seen: Seen, name: str, target: Target, reproduced: Collection[str]) -> FactRow:
    plan, use, fact = seen.journal.plan, str(target["use"]), _fact(target)
    if use == "predict" and name in reproduced:
        use = "calibrate"
    full = dossier(plan).get("scale", {}).get("full_tail")
    if target.get("driver") == "failover" and full is not None and plan.scale != full:
        note = f"failover is not scaled: shown at scale {full} only, this run's is {plan.scale:g}"
        return FactRow(name, use, fact, note=note, shown=False)
    measure = _measurement(name)
    measured, holds, note, evidence = measure(seen, name, target)
    shown = not (plan.short and measured is None and measure is not _input)
    if not shown:
        holds, note = None, f"the short form does not reach it ({note})"
    return FactRow(name, use, fact, measured, holds, note, shown, evidence)


def _fact(target: Target) -> Any:
    """Return the target's value, else its formula, else its limits in words."""
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
