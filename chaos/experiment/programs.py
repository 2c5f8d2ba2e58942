"""Lists the programs that an experiment runs, for display before the run: its files can make this machine run
programs.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from os.path import normpath

from chaos.experiment.plan import Kind, Plan, Program
from chaos.experiment.service import Service
from chaos.experiment.stack import Stack


def programs(stack: Stack, plan: Plan, containers: bool) -> tuple[Program, ...]:
    """Sorted by how close each comes to this machine, the closest last. `containers`: they run in containers."""
    return tuple(_programs(stack, plan, containers))


def _programs(stack: Stack, plan: Plan, containers: bool) -> Iterator[Program]:
    if file := plan.load.file:
        yield Program("load", normpath(f"experiments/{file}"))
    for act in plan.acts:
        yield Program("operator", f"{act.name}: {shlex.join(act.command)}", act.nodes)
    for probe in plan.probes:
        if probe.kind == "exec":
            command = f"{probe.name}: {shlex.join(probe.params['run'])}"
            yield Program("probe", command, (str(probe.params["node"]),))
    for step in plan.steps:
        if ask := step.params.get("ask"):
            yield Program("operator", f"{step.id}: {shlex.join(ask)}", step.nodes)
    services = stack.services.values()
    yield from _alike("node", [(s.node.name, _command(s)) for s in services])
    yield from _alike("health check", [(s.node.name, shlex.join(s.healthcheck)) for s in services if s.healthcheck])
    if not containers:
        return
    built = [s for s in services if s.build]
    yield from _alike("build", [(s.node.name, f"{s.image or s.node.name} from {s.context or '.'}") for s in built])
    yield from _alike("mount", [(s.node.name, source) for s in services for source in s.mounts])
    yield from _alike("privilege", [(s.node.name, right) for s in services for right in s.privileges])
    if base := stack.extension.get("base"):
        yield Program("machine", str(base))


def _command(service: Service) -> str:
    return shlex.join(service.command) or f"what the image {service.image or service.node.name} starts with"


def _alike(kind: Kind, pairs: Iterable[tuple[str, str]]) -> Iterator[Program]:
    """One entry for all nodes that run the same program."""
    found: dict[str, list[str]] = {}
    for name, what in sorted(pairs):
        found.setdefault(what, []).append(name)
    yield from (Program(kind, what, tuple(names)) for what, names in found.items())
