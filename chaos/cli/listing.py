"""`chaos list`: lists the experiments of this project, or past runs."""

from __future__ import annotations

from pathlib import Path

import click

from chaos import safe
from chaos.cli.options import TARGETS, experiment_file, stack_option
from chaos.errors import BadExperiment
from chaos.model import Verdict

VERDICTS = (*(v.value for v in Verdict), "running", "unjudged")


@click.command(
    "list",
    epilog="Examples: chaos list · chaos list --runs · chaos list --runs --verdict FAIL --target process --last 5",
)
@click.option("--runs", is_flag=False, flag_value="runs", type=click.Path(path_type=Path), metavar="[DIR]",
              help="The runs made so far instead, the newest first; DIR: where they are kept (runs).")  # fmt: skip
@click.option("--runs-made", is_flag=True, hidden=True, help="The former name of --runs.")
@click.option("--experiment", default="", help="With --runs: of this experiment.")
@click.option("--verdict", default="", type=click.Choice(["", *VERDICTS], case_sensitive=False),
              metavar="VERDICT", help=f"With --runs: {', '.join(VERDICTS)}.")  # fmt: skip
@click.option("--target", default="", type=click.Choice(["", *TARGETS]), metavar="TARGET",
              help="With --runs: on this target.")  # fmt: skip
@click.option("--last", type=click.IntRange(1), help="With --runs: at most this many.")
@click.option("--json", "as_json", is_flag=True, help="With --runs: for programs, measures included.")
@stack_option
def list_command(
    runs: Path | None,
    runs_made: bool,
    experiment: str,
    verdict: str,
    target: str,
    last: int | None,
    as_json: bool,
    stack_file: Path,
) -> None:
    """List the experiments of this project with their claims, or past runs with their verdicts."""
    if runs is None and runs_made:
        runs = Path("runs")
    if runs is not None:
        click.echo(_runs(runs, experiment, verdict, target, last, as_json), nl=False)
    elif experiment or verdict or target or last or as_json:
        raise click.UsageError("--experiment, --verdict, --target, --last and --json choose among runs: add --runs")
    else:
        _experiments(stack_file)


def _experiments(stack_file: Path) -> None:
    from chaos import yamlfile
    from chaos.experiment import file as experiments

    wrong: list[str] = []
    for name in yamlfile.names(stack_file.parent / "experiments"):
        try:
            found = experiments.read(experiment_file(name, stack_file.parent))
        except BadExperiment as e:
            wrong += e.problems
        else:
            click.echo(f"{found.name:<16} {safe.line(found.claim)}")
    if wrong:
        raise BadExperiment(*wrong)


def _runs(runs: Path, experiment: str, verdict: str, target: str, last: int | None, as_json: bool) -> str:
    import msgspec

    from chaos.record.history import History, words
    from chaos.record.store import pretty

    with History(runs) as history:
        found = history.runs(experiment, verdict, target)[:last]
        measured = [history.measures(run) for run in found]
    if as_json:
        rows = [msgspec.to_builtins(run) | {"measures": m} for run, m in zip(found, measured, strict=True)]
        return pretty(rows).decode()
    lines = (
        f"{run.badge:<13} {runs / run.path}  {run.target:<8} {run.posture:<9} {'; '.join(words(m))}".rstrip()
        for run, m in zip(found, measured, strict=True)
    )
    return "".join(f"{safe.line(line)}\n" for line in lines) or f"no matching run in {runs}/\n"
