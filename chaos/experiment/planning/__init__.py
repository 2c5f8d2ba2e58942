"""Turns an experiment into a plan. Every choice is made and every problem is found before anything is touched."""

from __future__ import annotations

from chaos.errors import BadExperiment
from chaos.experiment import sense
from chaos.experiment.file import Experiment
from chaos.experiment.plan import Plan
from chaos.experiment.planning import checks, conditions, fit, load, probes, steps
from chaos.experiment.planning.choices import Choices
from chaos.experiment.planning.context import Context
from chaos.protocols import Target
from chaos.units import duration

__all__ = ["Choices", "plan"]


def plan(file: str, experiment: Experiment, target: Target, choices: Choices) -> Plan:
    """Return the plan of one run. Raises BadExperiment with all problems, each with its place in `file`."""
    context = Context(file, experiment, target, choices)
    context.extensions.begin()
    for n, line in enumerate(experiment.timeline):
        if context.settings.applies(line.when, f"timeline[{n}].when"):
            steps.entry(context, n, line)
    context.draft.close()
    for words in context.draft.overlaps():
        context.problems.add("timeline", words)
    made = _whole(context)
    for place, words in sense.problems(made, choices.users):
        context.problems.add(place, words)
    if experiment.load is None and not (made.checks or any(p.within is not None for p in made.probes)):
        words = "found neither a load nor a probe nor a check, so nothing could be judged; add `probes:` or `load:`"
        context.problems.add("checks", words)
    if context.problems.found:
        raise BadExperiment(*context.problems.found)
    return made


def _whole(context: Context) -> Plan:
    x, choices, draft, read = context.experiment, context.choices, context.draft, context.problems.read
    limits, stops = conditions.kept(context), conditions.stops(context)
    carried = context.extensions.carried()
    asked = probes.planned(context)
    judged = checks.Checks(context, carried)
    left_out = [*judged.left_out, *draft.idle.values()]
    distance = choices.between_zones_ms
    if distance and (why := fit.no_distance(context.target, context.nodes)):
        left_out.append(f"the {distance:g} ms between zones: {why}")
        distance = 0.0
    return Plan(
        experiment=x.name,
        claim=x.claim,
        seed=choices.seed,
        target=context.target.name,
        settings=dict(choices.settings),
        scale=x.scale,
        short=choices.short,
        load=load.planned(context),
        steady=read(duration, x.steady.lasts, "steady.for"),
        steady_within=read(duration, x.steady.within, "steady.within"),
        hold=read(duration, x.hold, "hold"),
        length=draft.length,
        recover=read(duration, x.recover, "recover"),
        nodes=tuple(
            {"name": n.name, "component": n.component, "zone": n.zone, "owner": n.owner} for n in context.nodes
        ),
        steps=tuple(sorted(draft.steps, key=lambda s: (s.at, s.id))),
        acts=tuple(sorted(draft.acts, key=lambda a: (a.at, a.id))),
        probes=(*asked, *judged.probes),
        checks=tuple(judged.found),
        left_out=tuple(left_out),
        limits=limits,
        stops=stops,
        no_faults=choices.no_faults,
        without=tuple(sorted(choices.without)),
        between_zones_ms=distance,
        extensions=carried,
    )
