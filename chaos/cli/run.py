"""`chaos run`: plan, play, judge, report."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import experiment_file, make_plan, planned, read_stack, runs_option, stacked
from chaos.errors import ChaosError

if TYPE_CHECKING:
    from chaos.cli.targets import Place
    from chaos.model import Event
    from chaos.plan import Plan
    from chaos.stackfile import Stack

INTERRUPTED = 130


@click.command(
    "run",
    epilog="Examples: chaos run zone-fire · chaos run zone-fire --posture remedied --seed 3 · "
    "chaos run node-kill --target process --without promql",
)
@stacked
@planned
@runs_option
@click.option("--metrics-port", type=int, default=9464, show_default=True, help="The harness's own /metrics; 0: none.")
def run_command(
    experiment: str,
    seed: int,
    short: bool,
    without: tuple[str, ...],
    stack_file: Path,
    target: str | None,
    posture: str | None,
    sets: tuple[str, ...],
    runs: Path,
    metrics_port: int,
) -> int:
    """Start the stack, wait until it is steady under load, break it as planned, measure, judge, report.

    A stack that `chaos up` left running is used and left running; otherwise the run starts and ends its own.
    """
    from chaos import experiment as experiments
    from chaos.cli import targets

    kind = targets.choose(target)
    file = experiment_file(experiment, stack_file.parent)
    made = experiments.read(file, short)
    stack = read_stack(stack_file, kind, made, posture, sets)
    with targets.place(kind, stack, metrics_port) as place:
        if place.elsewhere is not None:  # the embedded target plays the run inside its box
            return place.elsewhere
        plan = make_plan(file, made, targets.make(kind, stack), stack, seed, short, without)
        return _Session(plan, stack, kind, place).play(runs)


@dataclass
class _Session:
    plan: Plan
    stack: Stack
    kind: str
    place: Place

    def play(self, runs: Path) -> int:
        from chaos import store
        from chaos.journal import Journal
        from chaos.judge import judge
        from chaos.reports import label, terminal, write_all

        run = store.create(runs, self.plan).resolve()
        store.save(run, self.plan, store.environment(sys.argv, self.kind))
        click.echo(f"{self.plan.experiment}: seed {self.plan.seed}, target {self.plan.target}, "
                   f"posture {self.plan.posture or 'none'} → {_short(run)}", err=True)  # fmt: skip
        error, interrupted = None, False
        try:
            with self.place.guard():
                interrupted = asyncio.run(self._perform(run))
        except ChaosError as e:
            error = e
        journal = Journal.load(run)
        judgement = judge(journal, label(run))
        write_all(run, journal, judgement)
        click.echo(terminal.render(journal, judgement, color=sys.stdout.isatty()), nl=False)
        if error is not None and not any(journal.of("run.error")):  # else it has been said twice already
            click.echo(f"chaos: {error}", err=True)
        if interrupted:
            click.echo(f"chaos: interrupted; everything is healed and ended, the journal is in {_short(run)}", err=True)
            return INTERRUPTED
        return judgement.exit_code

    async def _perform(self, run: Path) -> bool:
        """Play the plan beside progress and metrics. True if somebody interrupted it."""
        from chaos import registry
        from chaos.cli import targets
        from chaos.cli.metrics import Metrics, listen
        from chaos.cli.progress import Progress
        from chaos.load.locustload import LocustLoad
        from chaos.recorder import Recorder
        from chaos.run import Cast
        from chaos.run import run as orchestrate

        plan = self.plan
        progress = Progress(plan)
        target = targets.make(self.kind, self.stack, run / "logs", progress.note)
        load = LocustLoad(target, plan.load, run, self.stack.root, steady=plan.steady)
        faults = {s.id: registry.build(registry.load("chaos.faults", s.fault), s.params) for s in plan.steps}
        probes = [
            registry.load("chaos.probes", p.kind)(target, p.name, p.every, **p.params) for p in plan.probes
        ]

        def seen() -> Mapping[str, tuple[int, int]]:
            return load.success(2.0)

        with progress.watching(seen), Metrics(plan.experiment, seen) as metrics:

            def tell(event: Event) -> None:
                progress.tell(event)
                metrics.tell(event)
                if event.kind == "stack.up" and self.place.gateway:
                    metrics.serve([listen(self.place.gateway, self.place.metrics_port)])

            metrics.serve(self.place.sockets)
            recorder = Recorder(run / "journal.jsonl", tell)
            cast = Cast(target, faults, load, probes, self.place.owned)
            with _interruptible() as interruption, contextlib.closing(recorder):
                try:
                    await orchestrate(plan, cast, recorder)
                except asyncio.CancelledError:
                    if not interruption.count:
                        raise
        return interruption.count > 0


@dataclass
class _Interruption:
    count: int = 0


@contextlib.contextmanager
def _interruptible() -> Iterator[_Interruption]:
    """The first Ctrl-C (or SIGTERM, SIGHUP) cancels this task; any further one only says that we are at it."""
    loop, task, seen = asyncio.get_running_loop(), asyncio.current_task(), _Interruption()
    assert task is not None

    def interrupt() -> None:
        seen.count += 1
        if seen.count == 1:
            click.echo("interrupted: healing and ending, please wait", err=True)
            task.cancel()
        else:
            click.echo("still healing and ending; nothing is left behind if you let it finish", err=True)

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        yield seen
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
            if seen.count:  # what was played is still to be judged and told; a third Ctrl-C shall not lose that
                signal.signal(number, signal.SIG_IGN)


def _short(path: Path) -> str:
    """Relative where it lies below the current folder: what a person would type."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
