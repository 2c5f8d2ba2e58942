"""Refuses parts of a plan that could never have a result, or never more than one result, before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from chaos import registry, units
from chaos.experiment.plan import CheckSpec, Plan
from chaos.experiment.users import Users

ALL = "all"  # instead of a journey
COUNTED = re.compile(r".*_(total|count|bucket)")  # Prometheus' names of counters, which start at 0
MOST = 50_000_000  # operations; all are drawn before a run starts, and read when it is judged
MOST_ANSWERS = 1_000_000  # of one probe; all are in the journal
ANSWERS = 5  # of a probe in one phase; with fewer nothing is judged
SERIES = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

Problem = tuple[str, str]  # place, and message


def problems(plan: Plan, users: Users | None) -> Iterator[Problem]:
    """All problems of a plan. `users`: the content of the users' file, None if it was not read."""
    if users is not None and not users.partial:
        yield from _strangers(plan, users)
    for n, check in enumerate(plan.checks):
        where = place(check)
        same = [place(other) for other in plan.checks[:n] if _asked(other) == _asked(check)]
        if same:
            yield where, f"found {check.check} as under {same[0]}, expected it once"
        yield from ((where, words) for words in _bounds(check))
        if check.params.get("phase", ALL) != ALL and not plan.no_faults:
            yield from ((where, words) for words in _empty(plan, check))
    for stop in (*plan.stops, *(s.until for s in plan.steps if s.until)):
        if stop.below is not None and stop.above is not None and stop.below > stop.above:
            found = f"found below {stop.below:g} and above {stop.above:g}, which every value is"
            yield stop.id, f"{found}; expected below to be the lesser"
        if stop.kind == "success" and stop.below == 0:
            yield stop.id, "below: found 0, which no share of operations is; expected more"
    yield from _unread(plan)
    yield from _load(plan)
    yield from _probes(plan)
    if not plan.load.present:
        yield from _without_users(plan)


def _probes(plan: Plan) -> Iterator[Problem]:
    """Probes with a tolerance, and the checks that judge their answers."""
    asked = [p for p in plan.probes if p.within is not None]
    others = [p.name for p in plan.probes if p.within is None]
    others += [s.id for s in (*plan.stops, *(s.until for s in plan.steps if s.until))]
    span = plan.steady + plan.onset
    for probe in asked:
        where = f"probe {probe.name}"
        if probe.name in others:
            yield (
                where,
                f"{probe.name!r} is the name of a check's or a condition's own samples; choose another",
            )
        if not probe.every:
            continue  # reported already
        if (n := int(span / probe.every)) < ANSWERS:
            words = (
                f"found every {probe.every:g} s, which gives {n} answers before the first fault, at {plan.onset:g} s"
            )
            yield where, f"{words}; expected {ANSWERS}: ask more often, or make `steady.for` longer"
        if (span + plan.length + plan.recover) / probe.every > MOST_ANSWERS:
            yield where, f"every: found more than {MOST_ANSWERS:,} answers in this run, expected a longer interval"
    for check in plan.checks:
        if check.check == "probe":
            yield from ((place(check), words) for words in _judged(plan, check, [p.name for p in asked]))


def _judged(plan: Plan, check: CheckSpec, known: list[str]) -> Iterator[str]:
    name, within = str(check.params["name"]), check.params.get("back_within")
    if name not in known:
        yield f"name: no probe {name!r} under `probes:` applies here; {registry.hint(name, known)}"
    lasts = plan.length + plan.recover - plan.onset
    if isinstance(within, int | float) and plan.steps and within + plan.hold > lasts:
        found = f"found {within:g} s, and the run ends {lasts:g} s after the first fault"
        yield f"back_within: {found}, too early for it to fail with `hold` {plan.hold:g} s; make `recover` longer"


def _without_users(plan: Plan) -> Iterator[Problem]:
    """What judges users' operations, in an experiment without any."""
    do = "add a `load:`, or judge a probe: `probe: {name: …, at_least: 99%}`"
    for check in plan.checks:
        if registry.load("chaos.judge.checkers", check.check).of_users or check.params.get("per"):
            yield place(check), f"{check.check} judges users' operations, and the experiment has no load; {do}"
    for stop in (*plan.stops, *(s.until for s in plan.steps if s.until)):
        if stop.kind == "success":
            yield stop.id, f"success: counts users' operations, and the experiment has no load; {do}"


def _load(plan: Plan) -> Iterator[Problem]:
    load, until = plan.load, plan.length + plan.recover
    peak = load.peak
    if peak and peak.at >= until:
        yield "load.peak.at", f"found {peak.at:g} s, expected it before the run ends, at {until:g} s"
    more = (peak.times - 1) * (peak.end - peak.at) if peak else 0.0
    if load.rate * (plan.steady + until + more) > MOST:
        yield "load.rate", f"found more than {MOST:,} operations in this run, expected fewer users or a shorter run"


def place(check: CheckSpec) -> str:
    """Its place in the file: `availability-3` is checks[2]."""
    return f"checks[{int(check.id.rpartition('-')[2]) - 1}]"


def journeys(plan: Plan) -> Iterator[Problem]:
    """The places where a journey is named, and which one."""
    for check in plan.checks:
        for key in ("journey", "per"):
            if (name := check.params.get(key)) and (key, name) != ("per", ALL):
                yield f"{place(check)}.{key}", str(name)
    for stop in (*plan.stops, *(s.until for s in plan.steps if s.until)):
        if stop.kind == "success" and stop.of != ALL:
            yield f"{stop.id}.success", stop.of


def _strangers(plan: Plan, users: Users) -> Iterator[Problem]:
    for where, name in journeys(plan):
        if name not in users.journeys:
            yield where, f"no user of {_who(plan)} has a journey {name!r}; {registry.hint(name, users.journeys)}"
    for check in plan.checks:
        client = check.params.get("client")
        if isinstance(client, str) and client not in users.clients:
            hint = registry.hint(client, users.clients)
            yield f"{place(check)}.client", f"no user of {_who(plan)} is a {client!r} client; {hint}"


def _who(plan: Plan) -> str:
    return plan.load.file or "load.http"


def _unread(plan: Plan) -> Iterator[Problem]:
    """Checks of what was written, where the load reads nothing back."""
    for check in plan.checks:
        if check.check == "delivery" and plan.load.present and not plan.load.users:
            found = "found delivery, and this load writes nothing that is read back"
            yield place(check), f"{found}; expected a users' file with @readback (docs/guide/load.md)"


def _asked(check: CheckSpec) -> CheckSpec:
    """Without the name that its place gave it."""
    params = {k: v for k, v in check.params.items() if (k, v) != ("name", check.id)}
    return msgspec.structs.replace(check, id="", params=params)


def _bounds(check: CheckSpec) -> Iterator[str]:
    p = check.params
    least, most = (v if isinstance(v := p.get(k), int | float) else None for k in ("at_least", "at_most"))
    if least is not None and most is not None and least > most:
        yield f"found at_least {least:g} above at_most {most:g}, expected it below"
    yield from _certain(check)
    series = p.get("series")
    if not isinstance(series, str):
        return
    if not SERIES.fullmatch(series):
        yield f"series: found {series!r:.80}, expected a metric's full name such as stack_requests_total"
    if p.get("per") or COUNTED.fullmatch(series):
        for key, bound in (("at_least", least), ("at_most", most)):
            if bound is not None and bound < 0:
                yield f"{key}: found {bound:g}, expected 0 or more: {series} counts, and does not fall below 0"


def _certain(check: CheckSpec) -> Iterator[str]:
    """Limits that every share keeps, so that the check could not fail."""
    kinds = registry.types(registry.load("chaos.judge.checkers", check.check))
    for key, value in check.params.items():
        unit = units.of(key, kinds[key]) if isinstance(value, int | float) and not isinstance(value, bool) else None
        if unit is units.UNITS["share"] and {"at_least": value <= 0, "at_most": value >= 1}.get(key):
            yield f"{key}: found {value:.0%}, which every share keeps; expected a bound that can be broken"
        if unit is units.UNITS["amount"] and isinstance(value, float) and value >= 1:
            yield f"{key}: found {value:g}, which is all of them; expected a whole number, or a share below 100%"


def _empty(plan: Plan, check: CheckSpec) -> Iterator[str]:
    """A phase without operations or samples."""
    first = min((s.at for s in plan.steps), default=None)
    last = max((s.end for s in plan.steps), default=0.0)
    # Probes without a tolerance start with the timeline.
    sampled = any(p.name == check.params.get("name") and p.within is None for p in plan.probes)
    begins = 0.0 if sampled else -plan.steady
    ends = {"before": first if first is not None else 0.0, "after": plan.length + plan.recover}
    match check.params["phase"]:
        case "before" if ends["before"] <= begins:
            yield f"phase: before the first fault, at {ends['before']:g} s, nothing is sampled; start it later"
        case "during" if first is None:
            yield "phase: found during, and the timeline has no fault under these settings"
        case "after" if ends["after"] <= last:
            yield f"phase: after the last fault, at {last:g} s, nothing is sampled; give `recover` more than 0 s"
