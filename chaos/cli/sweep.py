"""`chaos sweep`: one experiment under every combination of knobs, one run after the other, and what the knobs did."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from chaos.cli.options import experiment_file, make_plan, planned, read_stack, runs_option, stacked
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.experiment import Experiment
    from chaos.model import Verdict
    from chaos.plan import Plan

INTERRUPTED = 130
MOST = 200  # runs of one sweep: more is a slip of the keyboard


@dataclass(frozen=True)
class Arm:
    """One run of a sweep: its knobs, its seed, and the plan it will be."""

    knobs: Mapping[str, str]
    seed: int
    plan: Plan

    @property
    def words(self) -> str:
        return ", ".join([*(f"{k}={v}" for k, v in self.knobs.items()), f"seed {self.seed}"])


@click.command(
    "sweep",
    epilog="Examples: chaos sweep zone-fire --set boot_lanes=1,4,8,32 · chaos sweep zone-fire-2x2 --short · "
    "chaos sweep zone-fire --set spare_capacity=25%,50%,100% --seeds 1..3 --resume",
)
@stacked
@planned
@runs_option
@click.option("--seeds", help="Several seeds instead of one: 1..3, or 1,4,9.")
@click.option("--resume", is_flag=True, help="Take runs of the very same plans that are there already.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the comparison as one page with plots, too.")
@click.option("--json", "as_json", is_flag=True, help="The comparison for programs.")
def sweep_command(
    experiment: str,
    seed: int,
    short: bool,
    without: tuple[str, ...],
    stack_file: Path,
    target: str | None,
    posture: str | None,
    sets: tuple[str, ...],
    runs: Path,
    seeds: str | None,
    resume: bool,
    html: Path | None,
    as_json: bool,
) -> int:
    """Play every combination of `--set KNOB=VALUE,VALUE…` and `--seeds`, one after the other, then compare them.

    Without --set the experiment's own `sweep:` says which. Every plan is made before the first run begins.
    Ctrl-C ends the run that is under way and keeps those that are done. The exit code is that of the worst verdict.
    """
    from chaos import experiment as experiments
    from chaos.cli import targets

    kind = targets.choose(target)
    file = experiment_file(experiment, stack_file.parent)
    made = experiments.read(file, short)
    spread = values(sets, made)
    arms = _arms(made, file, kind, stack_file, posture, spread, numbers(seeds, seed), short, without)
    click.echo(f"{made.name}: {len(arms)} runs, one after the other, on target {kind}", err=True)
    command = [*_program(), "run", experiment, "--target", kind, "--stack", str(stack_file), "--runs", str(runs)]
    command += [f"--posture={posture}"] if posture else []
    command += ["--short"] if short else []
    command += [f"--without={check}" for check in without]
    return _Sweep(arms, command, runs, resume).play(html, as_json)


def values(sets: Sequence[str], made: Experiment) -> dict[str, list[str]]:
    """Knob: the values to try, from `--set`, else from the experiment's `sweep:`. Raises BadExperiment."""
    if not sets and not made.sweep:
        raise BadExperiment(
            f"{made.name}: found no knob to sweep; expected --set KNOB=VALUE,VALUE… (such as "
            "--set boot_lanes=1,4,8,32), or `sweep:` in the file"
        )
    found = {knob: [_plain(v) for v in some] for knob, some in ({} if sets else made.sweep).items()}
    for text in sets:
        knob, equals, listed = text.partition("=")
        some = [v.strip() for v in listed.split(",")]
        if not (equals and knob and all(some)):
            raise BadExperiment(f"--set {text}: expected KNOB=VALUE,VALUE…, e.g. --set boot_lanes=1,4,8,32")
        if knob in found:
            raise BadExperiment(f"--set {text}: {knob} was given before; list all its values in one --set")
        if len(set(some)) < len(some):
            raise BadExperiment(f"--set {text}: a value stands there twice")
        found[knob] = some
    return found


def numbers(text: str | None, single: int) -> list[int]:
    """`1..3` or `1,4,9` as seeds; `single` where nothing is given. Raises BadExperiment."""
    if text is None:
        return [single]
    if m := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        found = list(range(int(m[1]), int(m[2]) + 1))
    elif re.fullmatch(r"\d+(,\d+)*", text):
        found = [int(part) for part in text.split(",")]
    else:
        found = []
    if not found or len(set(found)) < len(found):
        raise BadExperiment(f"--seeds {text}: expected seeds such as 1..3 or 1,4,9, each once")
    return found


def _arms(
    made: Experiment,
    file: Path,
    kind: str,
    stack_file: Path,
    posture: str | None,
    spread: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    short: bool,
    without: Sequence[str],
) -> list[Arm]:
    """Every arm with its plan. Raises BadExperiment with what is wrong with any of them, before anything runs."""
    from chaos.cli import targets

    combinations = [dict(zip(spread, chosen, strict=True)) for chosen in product(*spread.values())]
    if (n := len(combinations) * len(seeds)) > MOST:
        raise BadExperiment(f"{made.name}: that is {n} runs, expected {MOST} at most; leave values or seeds out")
    arms: list[Arm] = []
    problems: dict[str, None] = {}
    for knobs in combinations:
        try:
            stack = read_stack(stack_file, kind, made, posture, [f"{k}={v}" for k, v in knobs.items()])
            target = targets.make(kind, stack)
            arms += [Arm(knobs, s, make_plan(file, made, target, stack, s, short, without)) for s in seeds]
        except BadExperiment as e:
            problems |= dict.fromkeys(e.problems)
    if problems:
        raise BadExperiment(*problems)
    return arms


class _Sweep:
    def __init__(self, arms: Sequence[Arm], command: Sequence[str], runs: Path, resume: bool) -> None:
        self._arms, self._command, self._runs, self._resume = arms, command, runs, resume
        self._done: list[Path] = []
        self._verdicts: list[Verdict] = []

    def play(self, html: Path | None, as_json: bool) -> int:
        ended = self._each()
        if len(self._done) > 1:
            from chaos.cli.compare import compared, show

            show(compared(self._done), html, as_json)
        if ended:
            left = len(self._arms) - len(self._verdicts)
            click.echo(f"chaos: {left} of {len(self._arms)} runs were not played; the same command with --resume "
                       "goes on from here", err=True)  # fmt: skip
            return ended
        from chaos.model import Verdict

        return Verdict.worst(self._verdicts).exit_code

    def _each(self) -> int:
        """Play all arms; 0, or the exit code of what ended the sweep before its time."""
        from chaos.model import Verdict

        for k, arm in enumerate(self._arms, 1):
            place = f"[{k}/{len(self._arms)}] {arm.words}"
            known = recorded(self._runs, arm.plan) if self._resume else None
            if known is None:
                click.echo(place, err=True)
                before = recorded(self._runs, arm.plan)
                knobs = [f"--set={key}={value}" for key, value in arm.knobs.items()]
                code, interrupted = run([*self._command, f"--seed={arm.seed}", *knobs])
                if interrupted or code not in {v.exit_code for v in Verdict}:
                    return code or INTERRUPTED
                known = recorded(self._runs, arm.plan, ended=False)
                if known is None or known == before:  # it ended before there was a folder
                    self._verdicts.append(Verdict.ERROR)
                    click.echo(f"{place}: exit {code}, and no run was recorded", err=True)
                    continue
            verdict = _verdict(known)
            self._done.append(known)
            self._verdicts.append(verdict)
            click.echo(f"{place}: {verdict.value}  {known}", err=True)
        return 0


def recorded(runs: Path, plan: Plan, ended: bool = True) -> Path | None:
    """The newest run of exactly this plan; only one that was played to its end, where `ended`."""
    from chaos.journal import Journal
    from chaos.store import every, pretty

    wanted = pretty(plan)
    for run in sorted(every(runs), key=lambda r: r.name, reverse=True):
        if run.parent.name != plan.experiment or (run / "plan.json").read_bytes() != wanted:
            continue
        if not ended or any(e.data.get("status") == "done" for _, e in Journal.load(run).of("run.end")):
            return run
    return None


def _verdict(run: Path) -> Verdict:
    from chaos.journal import Journal
    from chaos.judge import judge

    return judge(Journal.load(run)).verdict


def run(command: Sequence[str]) -> tuple[int, bool]:
    """Run one arm to its end; its exit code, and whether somebody wanted the sweep to end meanwhile.

    What it says on standard output is its summary, which `chaos show` gives at any time.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with _passing_on(process) as seen:
        code = process.wait()
    return (code if code >= 0 else INTERRUPTED), bool(seen)


@contextlib.contextmanager
def _passing_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Signals that end a program go to the run, which heals first. A terminal's Ctrl-C has reached it already."""
    seen: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        seen.append(number)
        if number != signal.SIGINT or not os.isatty(0):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _program() -> list[str]:
    return [sys.executable, "-m", "chaos"]


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
