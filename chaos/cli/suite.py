"""`chaos suite`: a list of experiments, one after the other, and one verdict."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from chaos.cli.options import TARGETS, experiment_file, make_plan, read_stack, runs_option
from chaos.errors import BadExperiment, ChaosError

if TYPE_CHECKING:
    from chaos.playing import Player
    from chaos.suite.file import Play, Suite
    from chaos.suite.outcome import Outcome

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"  # a file that a job's page shows; set by the build server
INTERRUPTED = 130


@click.command(
    "suite",
    epilog="Examples: chaos suite nightly · chaos suite nightly --seed 12 --target process --without promql · "
    "chaos suite quick --repeat 10, then chaos trend node-kill --flaky",
)
@click.argument("name")
@click.option("--target", type=click.Choice(TARGETS), help="Where the file names none. Default: as `chaos run`.")
@click.option("--seed", "seeds", type=int, multiple=True, help="In the place of the file's seeds (repeatable).")
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Each run so often, same seed.")
@click.option("--without", metavar="CHECK", multiple=True, help="Leave out checks of this kind, e.g. promql.")
@click.option("--stack", "stack_file", type=click.Path(path_type=Path), default="docker-compose.yml", show_default=True,
              help="The stack's description.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Where the reports go. Default: RUNS/suite-NAME/UTC.")
@click.option("--dry", is_flag=True, help="Check and print what would be run; touch nothing.")
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
    """Play the runs of experiments/suites/NAME.yaml one after the other; the exit code is the worst verdict's.

    Every run is planned first: what is wrong is said before anything is touched. A run over its budget is ended, and is
    not a PASS. junit.xml, suite.sarif and summary.md are written into one folder; the summary also to the file that
    GITHUB_STEP_SUMMARY names.
    """
    from chaos.suite import file

    path = file.find(name, stack_file.parent)
    suite = file.read(path)
    for entry in suite.runs:
        entry.without = (*entry.without, *without)
    planned = file.plays(suite, seeds, repeat)
    _check(path, planned, target, stack_file)
    if dry:
        for play in planned:
            click.echo(f"{play.title}, within {play.budget:g} s")
        return 0
    folder = out or runs / f"suite-{suite.name}" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return _Night(suite, target, stack_file, runs, folder).play(planned)


def _check(path: Path, planned: Sequence[Play], target: str | None, stack_file: Path) -> None:
    """Plan every run, and start none. Raises BadExperiment with the problems of all."""
    from chaos import experiment as experiments
    from chaos.cli import targets

    problems: dict[str, None] = {}
    seen = set()
    for play in planned:
        e = play.entry
        key = (id(e), play.seed)
        if key in seen:
            continue
        seen.add(key)
        try:
            kind = targets.choose(e.target or target)
            found = experiment_file(e.experiment, stack_file.parent)
            made = experiments.read(found, e.short)
            sets = [f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in e.sets.items()]
            stack = read_stack(stack_file, kind, made, e.posture, sets)
            make_plan(found, made, targets.make(kind, stack), stack, play.seed, e.short, e.without)
        except BadExperiment as wrong:
            problems |= dict.fromkeys(f"{path}: {play.title}: {p}" for p in wrong.problems)
        except ChaosError as wrong:
            problems |= {f"{path}: {play.title}: {wrong}": None}
    if problems:
        raise BadExperiment(*problems)


@dataclass
class _Night:
    suite: Suite
    target: str | None
    stack_file: Path
    runs: Path
    folder: Path
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str = ""  # why no further run is begun
    code: int = 0  # that it ends with whatever the verdicts are: interrupted or halted

    def play(self, planned: Sequence[Play]) -> int:
        from chaos.playing import Player
        from chaos.suite.outcome import left_out, worst
        from chaos.units import duration, in_words

        player = Player(Path.cwd(), _hear)
        end = time.monotonic() + duration(self.suite.budget)
        with self._interruptible(player.end):
            for n, play in enumerate(planned, 1):
                left = end - time.monotonic()
                if left <= 0 and not self.stopped:
                    self.stopped = f"not begun: the suite's budget of {self.suite.budget} is used up"
                if self.stopped:
                    self.outcomes.append(left_out(play, self.stopped))
                else:
                    click.echo(f"== {n} of {len(planned)}: {play.title} (at most {in_words(play.budget)})", err=True)
                    self._one(player, play, min(play.budget, left))
                self._write()
        verdict = worst(self.outcomes)
        _tell(self.outcomes)
        self._step_summary()
        click.echo(f"{verdict.value}  {self.suite.name}: {len(planned)} runs; reports in {self.folder}")
        return self.code or verdict.exit_code

    def _one(self, player: Player, play: Play, budget: float) -> None:
        from chaos.suite.outcome import HALTED, outcome

        played = player.play(play.arguments(self.target, self.stack_file, self.runs), budget)
        found = outcome(play, played)
        self.outcomes.append(found)
        click.echo(f"== {found.verdict.value}  {play.title}, {found.seconds:.0f} s", err=True)
        if played.code == HALTED:
            self.stopped, self.code = "not begun: runs are halted (`chaos resume` lets them begin)", HALTED

    @contextlib.contextmanager
    def _interruptible(self, end: Callable[[], None]) -> Iterator[None]:
        """Ctrl-C, SIGTERM and SIGHUP end the run that goes on, which heals; no further one is begun."""

        def interrupt(number: int, frame: FrameType | None) -> None:
            self.stopped, self.code = "not begun: the suite was interrupted", INTERRUPTED
            click.echo("interrupted: the run that goes on heals and ends, please wait", err=True)
            end()

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, interrupt) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _write(self) -> None:
        """After every run, so that a night that is cut off has its reports."""
        from chaos.store import write
        from chaos.suite import junit, sarif, summary

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ChaosError(f"{self.folder}: cannot be made ({e.strerror}); name another place with --out") from None
        name, root = self.suite.name, self.stack_file.resolve().parent
        found = {
            "junit.xml": junit.render(name, self.outcomes),
            "suite.sarif": sarif.render(name, version("chaos-harness"), self.outcomes, root),
            "summary.md": summary.render(name, self.suite.about, self.outcomes),
        }
        for file, text in found.items():
            write(self.folder / file, text.encode())

    def _step_summary(self) -> None:
        if place := os.environ.get(STEP_SUMMARY):
            try:
                with Path(place).open("a", encoding="utf-8") as out:
                    out.write((self.folder / "summary.md").read_text(encoding="utf-8"))
            except OSError as e:
                click.echo(f"chaos: {STEP_SUMMARY}={place}: {e.strerror}; the summary is in {self.folder}", err=True)


def _hear(line: str) -> None:
    click.echo(f"   {line}", err=True)


def _tell(outcomes: Sequence[Outcome]) -> None:
    from chaos.history import flatten, words

    for o in outcomes:
        lost = "; ".join(words(dict(flatten(o.measures))))
        click.echo(f"{o.verdict.value:<13} {o.play.title}  {o.why or lost}".rstrip())
