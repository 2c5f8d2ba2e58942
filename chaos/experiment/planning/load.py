"""Plans `load`: who makes operations, how many, and a peak."""

from __future__ import annotations

import math

from chaos.experiment import loads
from chaos.experiment.plan import LoadSpec, Locust, Peak
from chaos.experiment.planning import requests
from chaos.experiment.planning.context import Context
from chaos.redaction import shown
from chaos.units import duration, rate

FEWER = 0.5  # share of the rate that is the floor where the file gives none
AT_ONCE = 1.0  # seconds in which all users of a locustfile are started where the file gives no rate


def planned(context: Context) -> LoadSpec:
    """Return the load, with rates in operations per second; one without users if there is none. Reports invalid
    values.
    """
    match context.experiment.load:
        case None:
            return LoadSpec("", 0, 0.0, 0.0, context.choices.seed)
        case loads.Requests() as load:
            return _requests(context, load)
        case loads.Locustfile() as load:
            return _locust(context, load)
        case load:
            return _users(context, load)


def _users(context: Context, users: loads.Users) -> LoadSpec:
    problems = context.problems
    load = LoadSpec(
        users=context.choices.load_file or users.users,
        count=users.count,
        rate=problems.read(rate, users.rate, "load.rate"),
        floor=problems.read(rate, users.floor, "load.floor"),
        seed=context.choices.seed,
        peak=_peak(context, users.peak),
    )
    if load.users:
        _sensible(context, load)
    return load


def _requests(context: Context, given: loads.Requests) -> LoadSpec:
    problems = context.problems
    per_second = problems.read(rate, given.rate, "load.rate")
    load = LoadSpec(
        users="",
        count=given.users,
        rate=per_second,
        floor=per_second * FEWER if given.floor is None else problems.read(rate, given.floor, "load.floor"),
        seed=context.choices.seed,
        peak=_peak(context, given.peak),
        http=tuple(requests.planned(context, given.http)),
    )
    _sensible(context, load)
    return load


def _sensible(context: Context, load: LoadSpec) -> None:
    if load.count < 1 or load.rate <= 0:
        found = f"found {load.count} users at {load.rate:g}/s"
        context.problems.add("load", f"{found}, expected at least 1 and above 0/s")
    elif load.floor > load.rate:
        words = f"found {load.floor:g}/s, expected no more than the rate, {load.rate:g}/s"
        context.problems.add("load.floor", words)


def _locust(context: Context, given: loads.Locustfile) -> LoadSpec:
    problems = context.problems
    if given.users < 1:
        problems.add("load.users", f"found {given.users}, expected at least 1 user")
    if given.host is not None and (why := requests.flaw(given.host, ("http", "https"))):
        problems.add("load.host", f"found {shown('', given.host)!r:.200}, {why}")
    locust = Locust(
        file=context.choices.load_file or given.locustfile,
        spawn_rate=_spawn_rate(context, given),
        host=(given.host or "").rstrip("/"),
        tags=_words(context, given.tags, "tags"),
        exclude_tags=_words(context, given.exclude_tags, "exclude_tags"),
        classes=_words(context, given.classes, "classes"),
    )
    floor = 0.0 if given.floor is None else problems.read(rate, given.floor, "load.floor")
    return LoadSpec("", given.users, 0.0, floor, context.choices.seed, locust=locust)


def _spawn_rate(context: Context, given: loads.Locustfile) -> float:
    written = given.spawn_rate
    if written is None:
        return max(given.users, 1) / AT_ONCE
    before = len(context.problems.found)
    found = context.problems.read(rate, written, "load.spawn_rate") if isinstance(written, str) else float(written)
    if len(context.problems.found) == before and not (found > 0 and math.isfinite(found)):
        context.problems.add("load.spawn_rate", f"found {written}, expected users a second above 0, such as 5/s")
    return found if found > 0 else 1.0


def _words(context: Context, given: object, key: str) -> tuple[str, ...]:
    words = tuple(map(str, given)) if isinstance(given, list | tuple) else ()
    for word in words:
        if not word.strip() or word.startswith("-"):
            context.problems.add(f"load.{key}", f"found {word!r}, expected a name")
    return words


def _peak(context: Context, peak: loads.Peak | None) -> Peak | None:
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
