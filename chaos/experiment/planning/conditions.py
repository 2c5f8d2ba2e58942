"""Plans `limits`, `stop` and `until`: how much an experiment may affect, and what ends it or a fault early."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chaos.errors import BadExperiment
from chaos.experiment import limits
from chaos.experiment.file import Stop
from chaos.experiment.plan import StopSpec
from chaos.experiment.planning.context import Context


def kept(context: Context) -> Mapping[str, float]:
    """Return the limits as numbers. Reports limits that are invalid or exceeded, and returns {} then."""
    draft, x = context.draft, context.experiment
    hit = {name for s in draft.steps for name in s.nodes}
    with context.problems.noted():
        return limits.kept(x.limits, hit, len(context.nodes), draft.length, x.scale)
    return {}


def stops(context: Context) -> tuple[StopSpec, ...]:
    """Return the stop conditions that apply to these settings. Reports invalid ones."""
    found: list[StopSpec] = []
    for n, stop in enumerate(context.experiment.stop):
        if context.settings.applies(stop.when, f"stop[{n}].when"):
            with context.problems.noted():
                found.append(limits.condition(n, stop, context.nodes))
    return tuple(found)


def until(context: Context, stop: Stop, place: str, name: str) -> StopSpec | None:
    """Return the condition that ends a fault early; None if it does not apply to these settings, or is invalid."""
    if not context.settings.applies(stop.when, f"{place}.until.when"):
        return None
    try:
        return msgspec.structs.replace(limits.condition(0, stop, context.nodes), id=f"{name}-until")
    except BadExperiment as e:
        for p in e.problems:
            context.problems.add(f"{place}.until", p.removeprefix("stop[0]: "))
        return None
