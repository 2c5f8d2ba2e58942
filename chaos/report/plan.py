"""A plan for people: what happens to which nodes and when, in run time and in incident time."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from chaos import registry, safe
from chaos.experiment import extensions
from chaos.experiment.plan import CheckSpec, LoadSpec, Plan
from chaos.units import in_words

WIDTH = 100
NAMED = 6  # number of nodes that are listed by name; plan.json has all


def render(plan: Plan) -> str:
    """Plain text, the same for the same plan."""
    knobs = ", ".join(f"{k}={_plain(v)}" for k, v in sorted(plan.settings.items()) if k not in {"posture", "short"})
    lines = [
        f"{plan.experiment}, seed {plan.seed}, target {plan.target}, posture {plan.posture or 'none'}",
        *textwrap.wrap(plan.claim, WIDTH),
        "",
        f"{len(plan.nodes)} nodes; {knobs or 'no knobs'}",
        *_load(plan),
        *_probes(plan),
        *([f"zones are {plan.between_zones_ms:g} ms apart, one way"] if plan.between_zones_ms else []),
        f"steady for {plan.steady:g} s, timeline {plan.length:g} s, then {plan.recover:g} s to recover"
        + (f"; 1 s of the run is {in_words(plan.scale)} of the incident" if plan.scale != 1 else ""),
        *_bounds(plan),
        *(["--no-faults: faults and operators' acts are recorded, none is carried out"] if plan.no_faults else []),
        "",
        *(_timeline(plan) or ["no faults: no line of the timeline applies"]),
        *_backends(plan),
        *_extensions(plan),
        *_programs(plan),
        "",
        "checks",
        *(_check(c, plan.scale) for c in plan.checks),
        *(f"  left out: {text}" for text in plan.left_out),
    ]
    return "\n".join(map(safe.line, lines)) + "\n"


def _probes(plan: Plan) -> list[str]:
    lines = []
    for p in plan.probes:
        if p.within is not None:
            question = registry.build(registry.load("chaos.probes.questions", p.kind), p.params)
            said = f"{p.name}: {question.words}; every {p.every:g} s, within {p.within:g} s"
            lines += textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return ["probes", *lines] if lines else []


def _load(plan: Plan) -> list[str]:
    load = plan.load
    if not load.present:
        return ["no load: the verdict rests on " + ("probes" if any(p.within for p in plan.probes) else "its checks")]
    if load.locust:
        return [
            f"load: {load.count} users of a locustfile, {load.locust.spawn_rate:g} started a second",
            *_locust(load),
        ]
    floor = f"(floor {load.floor:g}: below it the run is INCONCLUSIVE)"
    p = load.peak
    peak = f", {p.times:g} times as many from {p.at:g} s to {p.end:g} s" if p else ""
    said = f"load: {load.count} users, {load.rate:g} operations a second {floor}{peak}"
    return [said, *(f"  {request.redacted().words}" for request in load.http)]


def _locust(load: LoadSpec) -> list[str]:
    assert load.locust is not None
    said = {
        "host": load.locust.host,
        "classes": ", ".join(load.locust.classes),
        "tags": ", ".join(load.locust.tags),
        "exclude_tags": ", ".join(load.locust.exclude_tags),
        "floor": f"{load.floor:g} operations a second before the first fault" if load.floor else "",
    }
    lines = [f"  {name}: {words}" for name, words in said.items() if words]
    waits = "each user waits for an answer before the next request, so a system that stalls is asked less; the report"
    return [
        *lines,
        *textwrap.wrap(f"{waits} says how much that hides", WIDTH, initial_indent="  ", subsequent_indent="  "),
    ]


def _bounds(plan: Plan) -> list[str]:
    hit = len({name for s in plan.steps for name in s.nodes})
    reached = {
        "max_nodes": (f"{hit} nodes", "{:g}"),
        "max_share": (f"{hit / len(plan.nodes):.0%} of all nodes", "{:.0%}"),
        "max_duration": (f"{plan.length:g} s", "{:g} s"),
    }
    said = [f"{reached[k][0]} (at most {reached[k][1].format(v)})" for k, v in sorted(plan.limits.items())]
    return ([f"limits: {', '.join(said)}"] if said else []) + [f"stops when {s.words} ({s.id})" for s in plan.stops]


def _extensions(plan: Plan) -> list[str]:
    said = [words for extension in extensions.every().values() for words in extension.said(plan)]
    lines = [line for words in said for line in textwrap.wrap(words, WIDTH, subsequent_indent="  ")]
    return ["", *lines] if lines else []


def _timeline(plan: Plan) -> list[str]:
    rows: list[tuple[float, str, tuple[str, ...]]] = []
    for step in plan.steps:
        rows.append((step.at, f"{step.id}: {step.fault}", step.nodes))
        if step.until:
            rows.append((step.at, f"{step.id}: healed early when {step.until.words}", ()))
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
    """The implementation of each step, once for all steps with the same one."""
    by: dict[str, list[str]] = {}
    for step in plan.steps:
        if step.backend:
            by.setdefault(step.backend, []).append(step.id)
    lines = [] if not by else ["", "uses"]
    for backend, steps in by.items():
        said = f"{', '.join(steps)}: {backend}"
        lines += textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines


WHERE = {
    "load": "as the load",
    "operator": "inside nodes, by an operator",
    "probe": "inside nodes, again and again, as probes",
    "node": "as nodes",
    "health check": "inside nodes, as health checks",
    "build": "while images are built",
    "mount": "with these files of this machine",
    "privilege": "with these privileges",
    "machine": "on this machine, as you, in no box, when images are built",
}


def _programs(plan: Plan) -> list[str]:
    """The programs that the authors of the experiment and its stack run, and what restricts them."""
    lines = ["", "This experiment runs"] if plan.programs else []
    for kind, where in WHERE.items():
        if found := [p for p in plan.programs if p.kind == kind]:
            lines.append(f"  {where}")
            for one in found:
                said = safe.line(f"{one.what}  ({_few(one.nodes)})" if one.nodes else one.what)
                wrapped = textwrap.wrap(said, WIDTH - 4, subsequent_indent="  ", break_on_hyphens=False)
                lines += [f"    {line}" for line in wrapped]
    return [*lines, *([f"  restricted by {plan.kept_in}"] if lines and plan.kept_in else [])]


def _few(nodes: Sequence[str]) -> str:
    return ", ".join(nodes) if len(nodes) <= NAMED else f"{len(nodes)} nodes"


def _check(spec: CheckSpec, scale: float) -> str:
    checker = registry.load("chaos.judge.checkers", spec.check)
    params = {k: v for k, v in spec.params.items() if k != "name" or not checker.probe}
    said = f"  {spec.id}: {registry.shown(checker, params, scale)}"
    bound = f"; at worst {registry.shown(checker, spec.bound, scale)}" if spec.bound else ""
    return said + (f"   [xfail: {spec.xfail}{bound}]" if spec.xfail else "")


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
