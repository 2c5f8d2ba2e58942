"""`chaos sweep`: runs an experiment with every combination of knobs, one after another, and compares the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import Asked, make_plan, planned, read_stack, runs_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.campaign.sweep import Arm, Sweep
    from chaos.experiment.file import Experiment


@click.command(
    "sweep",
    epilog="Examples: chaos sweep zone-fire --set boot_lanes=1,4,8,32 · chaos sweep zone-fire-2x2 --short · "
    "chaos sweep zone-fire --set spare_capacity=25%,50%,100% --seeds 1..3 --resume",
)
@planned
@runs_option
@click.option("--seeds", help="Several seeds instead of one: 1..3, or 1,4,9.")
@click.option("--resume", is_flag=True, help="Reuse finished runs of exactly the same plans.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write the comparison as one page with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def sweep_command(
    asked: Asked,
    runs: Path,
    seeds: str | None,
    resume: bool,
    html: Path | None,
    as_json: bool,
) -> int:
    """Run every combination of `--set KNOB=VALUE,VALUE…` and `--seeds`, one after the other, then compare them.

    Without --set, the experiment's own `sweep:` is used. Every plan is made before the first run starts.
    Ctrl-C ends the current run and keeps the finished ones. The exit code is that of the worst verdict.
    """
    from chaos.campaign.sweep import Sweep
    from chaos.experiment.sweep import numbers, values
    from chaos.targets import known

    kind = known.choose(asked.target)
    made = asked.read()
    arms = _arms(asked, made, kind, values(asked.sets, made), numbers(seeds, asked.seed))
    click.echo(f"{made.name}: {len(arms)} runs, one after the other, on target {kind}", err=True)
    command = [asked.experiment, "--target", kind, "--stack", str(asked.stack_file)]
    command += [f"--posture={asked.posture}"] if asked.posture else []
    command += ["--short"] if asked.short else []
    command += [f"--without={check}" for check in asked.without]
    return _play(Sweep(arms, command, runs, resume, partial(click.echo, err=True)), html, as_json)


def _arms(
    asked: Asked, made: Experiment, kind: str, spread: Mapping[str, Sequence[str]], seeds: Sequence[int]
) -> list[Arm]:
    """All arms with their plans. Raises BadExperiment with the problems of all, before anything runs."""
    from chaos.campaign.sweep import Arm
    from chaos.experiment.sweep import combinations
    from chaos.targets import known

    arms: list[Arm] = []
    problems: dict[str, None] = {}
    for knobs in combinations(made, spread, seeds):
        try:
            stack = read_stack(asked.stack_file, kind, made, asked.posture, [f"{k}={v}" for k, v in knobs.items()])
            target, rest = known.make(kind, stack), (asked.short, asked.without)
            for s in seeds:
                found = make_plan(asked.file, made, target, stack, s, *rest)
                arms.append(Arm(knobs, s, found, stack.hider(found)))
        except BadExperiment as e:
            problems |= dict.fromkeys(e.problems)
    if problems:
        raise BadExperiment(*problems)
    return arms


def _play(sweep: Sweep, html: Path | None, as_json: bool) -> int:
    """The exit code, once the runs there are were compared."""
    from chaos.model import Verdict

    ended = sweep.play()
    if len(sweep.done) > 1:
        from chaos.cli.compare import compared, show

        show(compared(sweep.done), html, as_json)
    if ended:
        left = len(sweep.arms) - len(sweep.verdicts)
        click.echo(f"chaos: {left} of {len(sweep.arms)} runs were not executed; the same command with --resume "
                   "continues from here", err=True)  # fmt: skip
        return ended
    return Verdict.worst(sweep.verdicts).exit_code
