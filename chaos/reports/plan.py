"""A plan for people: when what happens to which nodes, in run time and in incident time."""

from __future__ import annotations

import textwrap

from chaos.models.staff import Roster
from chaos.plan import Plan
from chaos.units import in_words

WIDTH = 100


def render(plan: Plan) -> str:
    """Plain text, the same for the same plan."""
    knobs = ", ".join(f"{k}={_plain(v)}" for k, v in sorted(plan.settings.items()) if k not in {"posture", "short"})
    lines = [
        f"{plan.experiment}, seed {plan.seed}, target {plan.target}, posture {plan.posture or 'none'}",
        *textwrap.wrap(plan.claim, WIDTH),
        "",
        f"{len(plan.nodes)} nodes; {knobs or 'no knobs'}",
        _load(plan),
        *([f"zones are {plan.between_zones_ms:g} ms apart, one way"] if plan.between_zones_ms else []),
        f"steady for {plan.steady:g} s, timeline {plan.length:g} s, then {plan.recover:g} s to recover"
        + (f"; 1 s of the run is {in_words(plan.scale)} of the incident" if plan.scale != 1 else ""),
        *_bounds(plan),
        *(["on the leash: faults and operators' acts are written down, none is carried out"] if plan.leashed else []),
        "",
        *(_timeline(plan) or ["nothing is broken: no line of the timeline applies"]),
        *_backends(plan),
        *_people(plan),
        "",
        "checks",
        *(_check(c.id, c.params, c.known_gap) for c in plan.checks),
        *(f"  left out: {text}" for text in plan.left_out),
    ]
    return "\n".join(lines) + "\n"


def _load(plan: Plan) -> str:
    floor = f"(fewer than {plan.load.floor:g} and the run says nothing)"
    p = plan.load.peak
    peak = f", {p.times:g} times as many from {p.at:g} s to {p.end:g} s" if p else ""
    return f"load: {plan.load.count} users, {plan.load.rate:g} operations a second {floor}{peak}"


def _bounds(plan: Plan) -> list[str]:
    hit = len({name for s in plan.steps for name in s.nodes})
    reached = {
        "max_nodes": (f"{hit} nodes", "{:g}"),
        "max_share": (f"{hit / len(plan.nodes):.0%} of all nodes", "{:.0%}"),
        "max_duration": (f"{plan.length:g} s", "{:g} s"),
    }
    said = [f"{reached[k][0]} (at most {reached[k][1].format(v)})" for k, v in sorted(plan.limits.items())]
    return ([f"limits: {', '.join(said)}"] if said else []) + [f"stops when {s.words} ({s.id})" for s in plan.stops]


def _people(plan: Plan) -> list[str]:
    """Who leaves in which step, and what nobody owns any more then."""
    roster = Roster(plan.staff.get("owners", {}))
    lines: list[str] = []
    for step in plan.steps:
        if "leave" in step.params:
            gone = step.params["leave"]
            words = f"{step.id}: {len(gone)} of {len(roster.people)} people leave: {', '.join(gone)}; orphaned: "
            words += ", ".join(roster.orphans(gone)) or "nothing"
            lines += textwrap.wrap(words, WIDTH, subsequent_indent="  ")
    return ["", *lines] if lines else []


def _timeline(plan: Plan) -> list[str]:
    rows: list[tuple[float, str, tuple[str, ...]]] = []
    for step in plan.steps:
        rows.append((step.at, f"{step.id}: {step.fault}", step.nodes))
        if step.until:
            rows.append((step.at, f"{step.id}: healed at once when {step.until.words}", ()))
        for release in step.releases:
            if release.nodes:
                unit = f" (boot unit {release.unit})" if release.unit else ""
                rows.append((release.t, f"{step.id}: healed{unit}", release.nodes))
    rows += [(act.at, f"{act.id}: {' '.join(act.command)}", act.nodes) for act in plan.acts]
    lines = []
    for t, text, nodes in sorted(rows):
        when = f"{t:9.3f} s" + (f"  T+{t * plan.scale / 3600:6.2f} h" if plan.scale != 1 else "")
        lines.append(f"{when}  {text}")
        indent = " " * 14
        lines += textwrap.wrap(", ".join(nodes), WIDTH, initial_indent=indent, subsequent_indent=indent)
    return lines


def _backends(plan: Plan) -> list[str]:
    """What each step will use, once for all steps that use the same."""
    by: dict[str, list[str]] = {}
    for step in plan.steps:
        if step.backend:
            by.setdefault(step.backend, []).append(step.id)
    lines = [] if not by else ["", "uses"]
    for backend, steps in by.items():
        said = f"{', '.join(steps)}: {backend}"
        lines += textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines


def _check(ident: str, params: object, known_gap: str) -> str:
    said = ", ".join(f"{k} {_plain(v)}" for k, v in dict(params).items() if k != "name")  # type: ignore[call-overload]
    return f"  {ident}: {said}" + (f"   [known gap: {known_gap}]" if known_gap else "")


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
