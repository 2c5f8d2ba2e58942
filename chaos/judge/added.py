"""Runs the measures of chaos/judge/figures and of other packages; one that raises does not affect the others."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chaos import registry
from chaos.errors import BadExperiment
from chaos.model import Finding, Verdict
from chaos.protocols import Measure
from chaos.record.findings import Added, Worse
from chaos.record.journal import Journal

PACKAGE = "chaos.judge.figures"


def added(journal: Journal) -> tuple[Mapping[str, Added], tuple[Finding, ...]]:
    """The added measures that this run supports, by name, and a finding for each measure that failed."""
    found: dict[str, Added] = {}
    broken: list[Finding] = []
    for name in registry.names(PACKAGE):
        try:
            made: Measure = registry.build(registry.load(PACKAGE, name), {})
            if figures := {key: _rounded(value) for key, value in made.measure(journal).items()}:
                found[name] = Added(made.title, made.unit, made.worse, figures)
        except Exception as e:  # a broken measure must not prevent the findings
            words = f"the measure raised {type(e).__name__}: {e}"
            broken.append(Finding(f"measure {name}", Verdict.INCONCLUSIVE, words))
    return found, tuple(broken)


def worse(name: str) -> Worse:
    """Which direction is worse; empty if neither is, or if the measure is not installed here."""
    try:
        way: Worse = registry.load(PACKAGE, name).worse
    except BadExperiment:
        return ""
    return way


def _rounded(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"found {value}, expected a number, or None for never")
    return None if value is None else round(float(value), 6)
