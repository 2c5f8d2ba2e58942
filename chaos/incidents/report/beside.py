"""Compares a simulation with the incident's facts: one row for each target that applies to its settings."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.incidents.dossier import Dossier, Target
from chaos.incidents.simulation.model import Result

TOLERANCE = 0.10  # share of the value, if the dossier gives no tolerance
TOGETHER = 1.0  # hours; returns that are closer together count as simultaneous


@dataclass(frozen=True)
class Beside:
    """The result for one target. `holds` is None for an input, and for a target that is not modelled."""

    name: str
    use: str
    fact: Any
    measured: Any = None
    holds: bool | None = None
    note: str = ""

    @property
    def standing(self) -> str:
        if self.holds is None:
            return "input" if self.use == "calibrate" else "not modelled"
        if self.use == "calibrate":
            return "reproduced" if self.holds else "NOT reproduced"
        word = "untouched" if self.use == "control" else "as predicted"
        return word if self.holds else "MISSED"


Found = tuple[Any, bool | None, str]


def beside(result: Result, dossier: Dossier, settings: Mapping[str, Any], reproduced: frozenset[str]) -> list[Beside]:
    """Return a row for each target that applies to `settings`, by use. Those in `reproduced` count as calibrated."""
    found = [_row(result, name, t, reproduced) for name, t in _targets(dossier, settings)]
    order = ("predict", "control", "calibrate")
    return sorted(found, key=lambda row: order.index(row.use))


def _targets(dossier: Dossier, settings: Mapping[str, Any]) -> Iterator[tuple[str, Target]]:
    for name, target in dossier.targets.items():
        if all(settings.get(k) == v for k, v in target.when.items()):
            yield name, target
    for w in dossier.counterfactuals:
        if w.target and all(settings.get(k) == v for k, v in w.knobs.items()):
            yield f"counterfactual_{w.target}", Target(use=w.use, value=w.value, quicker_holds=w.quicker_holds)


def _row(result: Result, name: str, target: Target, reproduced: frozenset[str]) -> Beside:
    use = "calibrate" if name in reproduced else target.use
    for pattern, measure in MEASURED_BY:
        if m := re.fullmatch(pattern, name):
            measured, holds, note = measure(result, m, target)
            return Beside(name, use, target.fact, measured, holds, note)
    return Beside(name, use, target.fact, note="an input" if use == "calibrate" else "the simulation has no such thing")


def _fraction(result: Result, m: re.Match[str], target: Target) -> Found:
    service = target.journey or m[1]
    if service not in result.back:
        return None, None, f"no service {service}"
    back = result.back[service]
    if not math.isfinite(back) or back > result.scene.hours:
        return None, False, "not back by the end"
    value = round(back / result.scene.hours, 4)
    low, high = _band(target, result)
    if value < low and target.quicker_holds:
        return value, True, "quicker than the fact's lower end"
    return value, low <= value <= high, ""


def _servers(result: Result, m: re.Match[str], target: Target) -> Found:
    value = round(result.servers_at(float(m[1]) * result.scene.hours), 4)
    low, high = _band(target, result)
    return value, low <= value <= high, ""


def _order(result: Result, m: re.Match[str], target: Target) -> Found:
    """Compare the order of return: no service may be back before one of an earlier group."""
    groups = [[s for s in group if s in result.back] for group in target.value]
    names = sorted((s for g in groups for s in g), key=lambda s: (result.back[s], s))
    broken = [
        f"{late} before {early}"
        for k, group in enumerate(groups)
        for early in group
        for later in groups[k + 1 :]
        for late in later
        if result.back[late] < result.back[early]
    ]
    return [[s, round(result.back[s], 2)] for s in names], not broken, "; ".join(broken)


def _after(result: Result, m: re.Match[str], target: Target) -> Found:
    if (first := result.back.get(m[1])) is None:
        return None, None, f"no service {m[1]}"
    others = [s for s in target.journeys if s in result.back]
    after = all(result.back[s] > first + TOGETHER for s in others)
    return after, after is bool(target.value), ""


def _with(result: Result, m: re.Match[str], target: Target) -> Found:
    if (first := result.back.get(m[1])) is None:
        return None, None, f"no service {m[1]}"
    late = [s for s in target.journeys if s in result.back and result.back[s] > first + TOGETHER]
    return not late, (not late) is bool(target.value), f"later: {', '.join(late)}" if late else ""


def _control(result: Result, m: re.Match[str], target: Target) -> Found:
    """Measure whether the service was lost, because it needs a component in the burned site: 1 or 0."""
    if m[1] not in result.lost:
        return None, None, f"no service {m[1]}"
    lost = 0 if result.lost[m[1]] is None else 1
    return lost, lost <= float(target.value), ""


Measure = Callable[[Result, "re.Match[str]", Target], Found]
MEASURED_BY: tuple[tuple[str, Measure], ...] = (
    (r"servers_back_at_f_([\d.]+)", _servers),
    (r"(order_of_return)", _order),
    (r"unreplicated_after_(\w+)", _after),
    (r"replicated_with_(\w+)", _with),
    (r"(\w+)_core_loss", _control),
    (r"(?:counterfactual_)?(\w+)_return_fraction", _fraction),
    (r"(\w+)_fraction", _fraction),
)


def _band(target: Target, result: Result) -> tuple[float, float]:
    """Return the least and the most value that count as the fact.

    The dossier's tolerance is absolute. Without it, a single value gets TOLERANCE. A range gets none, except the boot
    time of one unit if the experiment was calibrated with it: it could not be set more precisely than that.
    """
    value = target.value
    low, high = (value, value) if isinstance(value, int | float) else map(float, value)
    if target.tolerance is not None:
        slack = target.tolerance
    elif low == high:
        slack = TOLERANCE * abs(low)
    else:
        s = result.scene
        slack = s.servers / s.units / s.boot_per_hour / s.hours if target.use == "calibrate" else 0.0
    return low - slack, high + slack
