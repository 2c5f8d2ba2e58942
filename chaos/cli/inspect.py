"""`chaos plan`, `show`, `faults`, `schema`: look, and touch nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chaos.cli.options import experiment_file, make_plan, planned, read_stack, runs_option, stacked


@click.command("plan", epilog="Example: chaos plan zone-fire --seed 3 --posture remedied")
@stacked
@planned
@click.option("--json", "as_json", is_flag=True, help="The plan as it is saved with a run.")
def plan_command(
    experiment: str,
    seed: int,
    short: bool,
    without: tuple[str, ...],
    stack_file: Path,
    target: str | None,
    posture: str | None,
    sets: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print what a run would do: every step with its second and its nodes. Two calls with one seed are identical."""
    from chaos import experiment as experiments
    from chaos.cli import targets
    from chaos.reports import plan as report
    from chaos.store import pretty

    kind = targets.choose(target)
    file = experiment_file(experiment, stack_file.parent)
    made = experiments.read(file, short)
    stack = read_stack(stack_file, kind, made, posture, sets)
    found = make_plan(file, made, targets.make(kind, stack), stack, seed, short, without)
    click.echo(pretty(found).decode() if as_json else report.render(found), nl=False)


@click.command("show", epilog="Examples: chaos show zone-fire · chaos show last")
@click.argument("name")
@runs_option
@click.option("--stack", "stack_file", type=click.Path(path_type=Path), default="docker-compose.yml")
def show_command(name: str, runs: Path, stack_file: Path) -> None:
    """Show an experiment's file, or the summary of a run (its folder, its name, or `last`)."""
    from chaos.store import find

    file = stack_file.parent / "experiments" / f"{name}.yaml"
    if file.exists():
        click.echo(file.read_text(), nl=False)
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
    """List the faults: what each does, its parameters, and which targets have it on this machine."""
    from chaos import registry
    from chaos.cli import targets

    kinds = targets.usable(target)
    made = {kind: targets.make(kind, read_stack(stack_file, kind, None, posture, sets)) for kind in kinds}
    for fault in [name] if name else registry.names("chaos.faults"):
        cls = registry.load("chaos.faults", fault)
        where = {kind: one for kind, one in made.items() if isinstance(one, cls.needs)}
        uses = getattr(cls, "backend", cls.needs.__name__)
        text = registry.summary(cls)
        click.echo(f"{fault}: {text if name else text.splitlines()[0]}")
        for key, field in registry.parameters(cls).items():
            default = "" if repr(field.default).startswith("<dataclasses") else f" (default {field.default})"
            click.echo(f"    {key}: {field.type}{default}")
        click.echo(f"    needs {cls.needs.__name__}; here on: {', '.join(where) or 'no target'}")
        for kind, one in where.items():
            click.echo(f"    {kind}: {one.backends[uses]}")
            unfit = [why for node in one.nodes() if (why := one.unfit(cls.needs, node))]
            if unfit:
                click.echo(f"    {kind}: not on {len(unfit)} of {len(one.nodes())} nodes: {unfit[0]}")


@click.command("schema", epilog="Example: chaos schema > experiment.schema.json")
def schema_command() -> None:
    """Print the JSON Schema of experiment files, for editors that complete and check YAML."""
    from chaos.experiment import schema
    from chaos.store import pretty

    sys.stdout.write(pretty(schema()).decode())
