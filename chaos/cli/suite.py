"""`chaos suite`: runs a list of experiments one after another, with one verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos import safe
from chaos.cli.options import TARGETS, experiment_file, make_plan, read_stack, runs_option, stack_option
from chaos.errors import BadExperiment, ChaosError

if TYPE_CHECKING:
    from chaos.experiment.suite import Play
    from chaos.report.suite.outcome import Outcome

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"  # a file that is shown on a job's page; set by the build server


@click.command(
    "suite",
    epilog="Examples: chaos suite nightly · chaos suite nightly --seed 12 --target process --without promql · "
    "chaos suite quick --repeat 10, then chaos trend node-kill --flaky",
)
@click.argument("name")
@click.option("--target", type=click.Choice(TARGETS), help="For entries without a target. Default: as `chaos run`.")
@click.option("--seed", "seeds", type=int, multiple=True, help="Use instead of the file's seeds (repeatable).")
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of times to play each run, with the same seed.",
)
@click.option("--without", metavar="CHECK", multiple=True, help="Leave out checks of this kind, e.g. promql.")
@stack_option
@click.option("--out", type=click.Path(path_type=Path), help="Where the reports go. Default: RUNS/suite-NAME/UTC.")
@click.option("--dry", is_flag=True, help="Check and print the runs without starting them.")
@runs_option
def suite_command(
    name: str,
    target: str | None,
    seeds: tuple[int, ...],
    repeat: int,
    without: tuple[str, ...],
    stack_file: Path,
    out: Path | None,
    dry: bool,
    runs: Path,
) -> int:
    """Run the experiments of experiments/suites/NAME.yaml one after the other. The exit code is the worst verdict's.

    Every run is planned first: what is wrong is said before anything is touched. A run over its budget is ended, and is
    not a PASS. junit.xml, suite.sarif and summary.md are written into one folder; the summary also to the file that
    GITHUB_STEP_SUMMARY names.
    """
    from chaos.campaign.suite import Night
    from chaos.experiment import suite as suites
    from chaos.report.suite.outcome import whole, worst

    path = suites.find(name, stack_file.parent)
    suite = suites.read(path)
    for entry in suite.runs:
        entry.without = (*entry.without, *without)
    planned = suites.plays(suite, seeds, repeat)
    _check(path, planned, target, stack_file)
    if dry:
        for play in planned:
            click.echo(f"{play.title}, within {play.budget:g} s")
        return 0
    folder = out or runs / f"suite-{suite.name}" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    night = Night(suite, target, stack_file, runs, folder, partial(click.echo, err=True), _hear)
    night.play(planned)
    _tell(night.outcomes)
    _step_summary(folder / "summary.md")
    click.echo(f"{whole(night.outcomes)}  {suite.name}: {len(planned)} runs; reports in {folder}")
    return night.code or worst(night.outcomes).exit_code


def _check(path: Path, planned: Sequence[Play], target: str | None, stack_file: Path) -> None:
    """Plan every run without starting any. Raises BadExperiment with the problems of all."""
    from chaos.experiment import file as experiments
    from chaos.targets import known

    problems: dict[str, None] = {}
    seen = set()
    for play in planned:
        e = play.entry
        key = (id(e), play.seed)
        if key in seen:
            continue
        seen.add(key)
        try:
            kind = known.choose(e.target or target)
            found = experiment_file(e.experiment, stack_file.parent)
            made = experiments.read(found, e.short)
            sets = [f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in e.sets.items()]
            stack = read_stack(stack_file, kind, made, e.posture, sets)
            make_plan(found, made, known.make(kind, stack), stack, play.seed, e.short, e.without)
        except BadExperiment as wrong:
            problems |= dict.fromkeys(f"{path}: {play.title}: {p}" for p in wrong.problems)
        except ChaosError as wrong:
            problems |= {f"{path}: {play.title}: {wrong}": None}
    if problems:
        raise BadExperiment(*problems)


def _step_summary(summary: Path) -> None:
    """Into the file that the build server shows on a job's page, where it names one."""
    if place := os.environ.get(STEP_SUMMARY):
        try:
            with Path(place).open("a", encoding="utf-8") as out:
                out.write(summary.read_text(encoding="utf-8"))
        except OSError as e:
            click.echo(f"chaos: {STEP_SUMMARY}={place}: {e.strerror}; the summary is in {summary.parent}", err=True)


def _hear(line: str) -> None:
    click.echo(f"   {line}", err=True)


def _tell(outcomes: Sequence[Outcome]) -> None:
    from chaos.record.history import words

    for o in outcomes:
        lost = "; ".join(words(o.figures))
        click.echo(safe.line(f"{o.badge:<13} {o.play.title}  {o.why or lost}".rstrip()))
