"""`chaos run`: plan, play, judge, report."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import experiment_file, make_plan, planned, read_stack, runs_option, stacked
from chaos.errors import ChaosError

if TYPE_CHECKING:
    from chaos.cli.annotations import Annotations
    from chaos.cli.metrics import Metrics
    from chaos.cli.targets import Place
    from chaos.guard import Guard
    from chaos.model import Event, Op
    from chaos.plan import Plan, StopSpec
    from chaos.protocols import CanHost, Load
    from chaos.stackfile import Stack
    from chaos.watchdog import Watchdog

INTERRUPTED = 130
SAMPLE = 50  # people of each region who are asked while the run goes on; its report asks all


@click.command(
    "run",
    epilog="Examples: chaos run zone-fire · chaos run zone-fire --posture remedied --seed 3 · "
    "chaos run node-kill --target process --without promql · chaos run zone-fire --leashed",
)
@stacked
@planned
@runs_option
@click.option("--plain", is_flag=True, help="Lines instead of the live view, on a terminal too.")
@click.option("--leashed", is_flag=True, help="Play everything but the faults and operators' acts; never a PASS.")
@click.option("--metrics-port", type=int, default=9464, show_default=True, help="The harness's own /metrics; 0: none.")
@click.option("--grafana", metavar="URL", help="Annotate faults there. Default: the Grafana of `chaos up --observe`.")
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
    plain: bool,
    leashed: bool,
    metrics_port: int,
    grafana: str | None,
) -> int:
    """Start the stack, wait until it is steady under load, break it as planned, measure, judge, report.

    A stack that `chaos up` left running is used and left running; otherwise the run starts and ends its own.
    """
    from chaos import experiment as experiments
    from chaos import halt
    from chaos.cli import targets

    kind = targets.choose(target)
    file = experiment_file(experiment, stack_file.parent)
    made = experiments.read(file, short)
    stack = read_stack(stack_file, kind, made, posture, sets)
    what = f"{made.name}, seed {seed}, target {kind}"
    with halt.admitted(what), targets.place(kind, stack, metrics_port, grafana=grafana) as place:
        if place.elsewhere is not None:  # the embedded target plays the run inside its box
            return place.elsewhere
        plan = make_plan(file, made, targets.make(kind, stack), stack, seed, short, without, leashed)
        return _Session(plan, stack, kind, place, plain).play(runs)


@dataclass
class _Session:
    plan: Plan
    stack: Stack
    kind: str
    place: Place
    plain: bool  # no live view

    def play(self, runs: Path) -> int:
        from chaos import store

        run = store.create(runs, self.plan).resolve()
        with store.held(run):
            return self._play(run)

    def _play(self, run: Path) -> int:
        from chaos import store
        from chaos.playing import announcement

        store.save(run, self.plan, store.environment(sys.argv, self.kind))
        p = self.plan
        click.echo(announcement(p.experiment, p.seed, p.target, p.posture, _short(run)), err=True)
        with self._shown(run) as shown:
            return self._played(run, shown)

    @contextlib.contextmanager
    def _shown(self, run: Path) -> Iterator[_Shown]:
        """What is told to others while the run goes on, and for as long as they need to hear what it came to."""
        from chaos.cli.annotations import Annotations
        from chaos.cli.metrics import Metrics
        from chaos.reports import label

        load = _Late()
        pipe = self.place.annotations
        filed = self._filed if self.plan.people else None
        with Metrics(self.plan, run, load.success, annotated=pipe is not None, filed=filed) as metrics:
            yield _Shown(metrics, Annotations(self.plan, label(run), pipe), load)

    def _filed(self, ops: Sequence[Op]) -> Iterator[tuple[float, str, str, float]]:
        """What people reported of these operations, in a run that still goes on: of a sample, each for its many.

        All of them would take a second of a processor that the stack needs, at every look.
        """
        import msgspec

        from chaos.journal import Journal
        from chaos.measures.outcry import filed

        people = self.plan.people
        assert people is not None
        few = min(SAMPLE, people.count)
        plan = msgspec.structs.replace(self.plan, people=msgspec.structs.replace(people, count=few))
        for report in filed(Journal(plan, (), tuple(ops))):
            yield report.t, report.region, report.category, people.count / few

    def _played(self, run: Path, shown: _Shown) -> int:
        from chaos import halt
        from chaos.journal import Journal
        from chaos.judge import judge
        from chaos.reports import label, terminal, write_all

        error, interrupted = None, False
        try:
            with self.place.guard() as watchdog:
                interrupted = asyncio.run(self._perform(run, watchdog, shown))
        except ChaosError as e:
            error = e
        journal = Journal.load(run)
        judgement = judge(journal, label(run))
        write_all(run, journal, judgement)
        click.echo(terminal.render(journal, judgement, color=sys.stdout.isatty()), nl=False)
        if error is not None and not any(journal.of("run.error")):  # else it has been said twice already
            click.echo(f"chaos: {error}", err=True)
        if interrupted:
            if found := halt.halted():
                click.echo(f"chaos: {found.words}", err=True)
            click.echo(f"chaos: interrupted; everything is healed and ended, the journal is in {_short(run)}", err=True)
            return INTERRUPTED
        shown.metrics.judged(judgement.verdict, judgement.measures.get("rto_s", {}))
        if not self.place.owned:  # then its Prometheus goes on, and is to know the verdict
            shown.metrics.asked_again()
        return judgement.exit_code

    async def _perform(self, run: Path, watchdog: Watchdog | None, shown: _Shown) -> bool:
        """Play the plan beside progress and metrics. True if somebody interrupted it."""
        from chaos import registry
        from chaos.cli import targets
        from chaos.cli.metrics import listen
        from chaos.cli.progress import Progress
        from chaos.lease import Lease
        from chaos.load.locustload import LocustLoad
        from chaos.probes import machine
        from chaos.recorder import Recorder
        from chaos.run import Cast
        from chaos.run import run as orchestrate

        plan = self.plan
        progress = Progress(run, self.plain)
        target = targets.make(self.kind, self.stack, run / "logs", progress.note)
        load = LocustLoad(target, plan.load, run, self.stack.root, steady=plan.steady)
        faults = {s.id: registry.build(registry.load("chaos.faults", s.fault), s.params) for s in plan.steps}
        probes = [
            registry.load("chaos.probes", p.kind)(target, p.name, p.every, **p.params) for p in plan.probes
        ]
        probes += [machine.Machine()] if machine.STAT.exists() else []

        def seen() -> Mapping[str, tuple[int, int]]:
            return load.success(2.0)

        metrics, shown.load.success_of = shown.metrics, seen
        with progress.watching():

            def tell(event: Event) -> None:
                progress.tell(event)
                metrics.tell(event)
                shown.annotations.tell(event)
                if event.kind == "stack.up" and self.place.gateway:
                    metrics.serve([listen(self.place.gateway, self.place.metrics_port)])

            metrics.serve(self.place.sockets)
            recorder = Recorder(run / "journal.jsonl", tell)
            guards = [_guard(spec, target, load) for spec in plan.stops]
            triggers = {s.id: _guard(s.until, target, load) for s in plan.steps if s.until}
            cast = Cast(target, faults, load, probes, self.place.owned, guards, Lease(watchdog), triggers)
            with interruptible() as interruption, contextlib.closing(recorder):
                try:
                    await orchestrate(plan, cast, recorder)
                except asyncio.CancelledError:
                    if not interruption.count:
                        raise
        return interruption.count > 0


@dataclass
class _Late:
    """Success of late, of a load that is only made once the run begins."""

    success_of: Callable[[], Mapping[str, tuple[int, int]]] = dict

    def success(self) -> Mapping[str, tuple[int, int]]:
        return self.success_of()


@dataclass(frozen=True)
class _Shown:
    metrics: Metrics
    annotations: Annotations
    load: _Late


def _guard(spec: StopSpec, target: CanHost, load: Load) -> Guard:
    from chaos import guard, registry

    if spec.kind == "success":
        return guard.Guard(spec, guard.users(load, spec))
    probe = registry.load("chaos.probes", spec.kind)(target, spec.id, guard.EVERY, expr=spec.of)
    return guard.Guard(spec, guard.measured(probe))


@dataclass
class _Interruption:
    count: int = 0


@contextlib.contextmanager
def interruptible() -> Iterator[_Interruption]:
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
