"""`chaos plan`, `show`, `faults`, `schema`: read-only commands."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import Asked, make_plan, planned, read_stack, runs_option, stack_option, stacked

if TYPE_CHECKING:
    from chaos.protocols import Target


@click.command("plan", epilog="Example: chaos plan zone-fire --seed 3 --posture remedied")
@planned
@click.option("--json", "as_json", is_flag=True, help="Print the plan as it is saved with a run.")
def plan_command(
    asked: Asked,
    as_json: bool,
) -> None:
    """Print what a run would do: every step with its second and its nodes. The same seed gives the same plan."""
    from chaos.record.store import pretty
    from chaos.report import plan as report
    from chaos.targets import known

    kind = known.choose(asked.target)
    made = asked.read()
    stack = read_stack(asked.stack_file, kind, made, asked.posture, asked.sets)
    found = make_plan(asked.file, made, known.make(kind, stack), stack, asked.seed, asked.short, asked.without)
    found = found.redacted()
    click.echo(pretty(found).decode() if as_json else report.render(found), nl=False)


@click.command("show", epilog="Examples: chaos show zone-fire · chaos show last")
@click.argument("name")
@runs_option
@stack_option
def show_command(name: str, runs: Path, stack_file: Path) -> None:
    """Show an experiment's file, or the summary of a run (its folder, its name, or `last`)."""
    from chaos import yamlfile
    from chaos.record.store import find

    file = yamlfile.find(stack_file.parent / "experiments", name)
    if file is not None:
        click.echo(yamlfile.text(file), nl=False)
        return
    from chaos.cli.judge import summary

    run = find(runs, name)
    click.echo(summary(run), nl=False)


@click.command("faults", epilog="Example: chaos faults power")
@click.argument("name", required=False)
@stacked
def faults_command(
    name: str | None, stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]
) -> None:
    """List the faults: what each does, its parameters, and which targets can inject it on this machine."""
    from chaos import registry, units
    from chaos.protocols.table import Refusal

    made = _made(stack_file, target, posture, sets)
    for fault in [name] if name else registry.names("chaos.faults"):
        cls = registry.load("chaos.faults", fault)
        found = {kind: one.can.get(cls.needs) for kind, one in made.items()}
        where = {kind: one for kind, one in found.items() if not isinstance(one, Refusal)}
        text = registry.summary(cls)
        click.echo(f"{fault}: {text if name else text.splitlines()[0]}")
        types = registry.types(cls)
        for key, field in registry.parameters(cls).items():
            default = "" if repr(field.default).startswith("<dataclasses") else f" (default {field.default})"
            click.echo(f"    {key}: {units.form(key, types[key])}{default}")
        there = f"; available on: {', '.join(where) or 'no target'}" if made else ""
        click.echo(f"    needs {cls.needs.name}{there}")
        for kind, one in found.items():
            if isinstance(one, Refusal):
                click.echo(f"    {kind}: {one.words}")
                continue
            click.echo(f"    {kind}: {one.backend}")
            nodes = made[kind].nodes()
            if unfit := [why for node in nodes if (why := one.unfit(node))]:
                click.echo(f"    {kind}: not on {len(unfit)} of {len(nodes)} nodes: {unfit[0]}")


def _made(file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> Mapping[str, Target]:
    """The targets that can have the stack, by name. Without a stack's file there is none."""
    from chaos import naming
    from chaos.errors import BadExperiment
    from chaos.targets import known

    if not file.exists() and naming.project(file) is None and file == Path(naming.STACK):
        click.echo(f"no {file} here, so this is what faults do; with a stack's file it also says where", err=True)
        return {}
    made = {}
    for kind in known.usable(target):
        try:
            made[kind] = known.make(kind, read_stack(file, kind, None, posture, sets))
        except BadExperiment as e:
            if target or not known.boxed(kind):
                raise
            click.echo(f"not on target {kind}: {e.problems[0]}", err=True)
    return made


@click.command(
    "schema", epilog="Examples: chaos schema > experiment.schema.json · chaos schema chaos.yaml > chaos.schema.json"
)
@click.argument("of", type=click.Choice(["experiment", "chaos.yaml"]), default="experiment")
def schema_command(of: str) -> None:
    """Print the JSON Schema of experiment files, or of chaos.yaml, for editors that complete and check YAML."""
    from chaos.experiment.schema import beside_the_stack, schema
    from chaos.record.store import pretty

    sys.stdout.write(pretty(schema() if of == "experiment" else beside_the_stack()).decode())
