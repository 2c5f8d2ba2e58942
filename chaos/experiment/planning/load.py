"""Plans `load`: the users, their rate, and a peak."""

from __future__ import annotations

from chaos.experiment import file
from chaos.experiment.plan import LoadSpec, Peak
from chaos.experiment.planning.context import Context
from chaos.units import duration, rate


def planned(context: Context) -> LoadSpec:
    """Return the load, with rates in operations per second; one without users if there is none. Reports invalid
    values.
    """
    users, problems = context.experiment.load, context.problems
    if users is None:
        return LoadSpec("", 0, 0.0, 0.0, context.choices.seed)
    load = LoadSpec(
        users=users.users,
        count=users.count,
        rate=problems.read(rate, users.rate, "load.rate"),
        floor=problems.read(rate, users.floor, "load.floor"),
        seed=context.choices.seed,
        peak=_peak(context, users.peak),
    )
    if load.users and (load.count < 1 or load.rate <= 0):
        problems.add("load", f"found {load.count} users at {load.rate:g}/s, expected at least 1 and above 0/s")
    elif load.floor > load.rate:
        problems.add("load.floor", f"found {load.floor:g}/s, expected no more than the rate, {load.rate:g}/s")
    return load


def _peak(context: Context, peak: file.Peak | None) -> Peak | None:
    problems = context.problems
    if peak is None:
        return None
    at = problems.read(duration, peak.at, "load.peak.at")
    lasts = problems.read(duration, peak.lasts, "load.peak.for")
    if peak.times <= 1 or lasts <= 0:
        found = f"found {peak.times:g} times the rate for {lasts:g} s"
        problems.add("load.peak", f"{found}; expected more than 1, for longer than 0 s")
        return None
    return Peak(at, at + lasts, float(peak.times))
