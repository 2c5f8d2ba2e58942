"""`chaos run`: plans, executes, judges and reports."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli import out
from chaos.cli.options import Asked, make_plan, planned, read_stack, renamed, runs_option
from chaos.errors import ChaosError, Crash
from chaos.run.signals import INTERRUPTED, interruptible

if TYPE_CHECKING:
    from chaos.experiment.plan import Plan, StopSpec
    from chaos.experiment.stack import Stack
    from chaos.model import Event, Op
    from chaos.observe.annotations import Annotations
    from chaos.observe.metrics import Metrics
    from chaos.place import Place
    from chaos.protocols import Load, Target
    from chaos.run.stop_conditions import StopCondition
    from chaos.run.watchdog import Watchdog

SAMPLE = 50  # people of each region who are asked during the run; its report asks all


@click.command(
    "run",
    epilog="Examples: chaos run zone-fire · chaos run zone-fire --posture remedied --seed 3 · "
    "chaos run node-kill --target process --without promql · chaos run zone-fire --no-faults",
)
@planned
@runs_option
@click.option("--into", type=click.Path(path_type=Path), help="The run's folder. Default: RUNS/EXPERIMENT/UTC-sSEED.")
@click.option("--plain", is_flag=True, help="Print lines instead of the live view, even on a terminal.")
@click.option(
    "--no-faults", is_flag=True, help="Execute everything except faults and operators' acts. The run is never a PASS."
)
@click.option("--leashed", is_flag=True, hidden=True, help="The former name of --no-faults.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=9464,
    show_default=True,
    help="Port of the harness's own /metrics; 0 disables it.",
)
@click.option(
    "--grafana", metavar="URL", help="Annotate faults in this Grafana. Default: the one of `chaos up --observe`."
)
def run_command(
    asked: Asked,
    runs: Path,
    into: Path | None,
    plain: bool,
    no_faults: bool,
    leashed: bool,
    metrics_port: int,
    grafana: str | None,
) -> int:
    """Start the stack, wait until it is steady under load, inject the planned faults, heal, judge and report.

    A stack that `chaos up` left running is used and left running. Otherwise the run starts and ends its own.
    """
    from chaos import place
    from chaos.place import leftovers
    from chaos.run import halt
    from chaos.targets import known

    kind = known.choose(asked.target)
    made = asked.read()
    stack = read_stack(asked.stack_file, kind, made, asked.posture, asked.sets)
    what = f"{made.name}, seed {asked.seed}"
    with (
        halt.admitted(f"{what}, target {kind}"),
        place.held(kind, stack, f"run {what}") as lock,
    ):
        shown = place.Shown(metrics_port, grafana)
        if place.in_another(kind):
            return place.run_in_box(kind, stack, lock, shown)
        if leashed:
            renamed("--leashed", "--no-faults")
        target, by = known.make(kind, stack), (asked.seed, asked.short, asked.without)
        plan = make_plan(asked.file, made, target, stack, *by, no_faults or leashed)
        with place.here(kind, stack, lock, shown) as here:
            leftovers.clear(kind, stack, here)
            place.undisputed(kind, stack)
            return _Session(plan, stack, kind, here, plain).play(runs, into)


@dataclass
class _Session:
    plan: Plan
    stack: Stack
    kind: str
    place: Place
    plain: bool  # no live view

    def play(self, runs: Path, into: Path | None) -> int:
        from chaos import crash
        from chaos.record import store

        run = (into or store.place(runs, self.plan.experiment, self.plan.seed)).resolve()
        store.create(run)
        with crash.caught(run), store.held(run):
            return self._play(run)

    def _play(self, run: Path) -> int:
        from chaos.record import store

        store.save(run, self.plan, store.environment(sys.argv, self.kind), self.stack.hider(self.plan))
        if self.place.lock:
            self.place.lock.tell(run)
        p = self.plan
        what = f"{p.experiment}: seed {p.seed}, target {p.target}, posture {p.posture or 'none'}"
        click.echo(f"{what} → {_short(run)}", err=True)
        with self._shown(run) as shown:
            return self._played(run, shown)

    @contextlib.contextmanager
    def _shown(self, run: Path) -> Iterator[_Shown]:
        """Metrics and annotations, during the run and until the verdict has been passed on."""
        from chaos.incidents import carried
        from chaos.observe.annotations import Annotations
        from chaos.observe.metrics import Metrics
        from chaos.report import label

        load = _Late()
        pipe = self.place.annotations
        filed = self._filed if carried.people(self.plan) else None
        with Metrics(self.plan, run, load.success, annotated=pipe is not None, filed=filed) as metrics:
            yield _Shown(metrics, Annotations(self.plan, label(run), pipe), load)

    def _filed(self, ops: Sequence[Op]) -> Iterator[tuple[float, str, str, float]]:
        """Outage reports about these operations during a run, from a sample of people who each stand for several.

        Asking all of them would take a second of processor time that the stack needs, at every scrape.
        """
        from chaos.incidents import carried
        from chaos.incidents.measures.outage_reports import filed
        from chaos.record.journal import Journal

        people = carried.people(self.plan)
        assert people is not None
        few = min(SAMPLE, people.count)
        for report in filed(Journal(carried.fewer(self.plan, few), (), tuple(ops))):
            yield report.t, report.region, report.category, people.count / few

    def _played(self, run: Path, shown: _Shown) -> int:
        from chaos import crash
        from chaos.judge.judge import judge
        from chaos.model import Verdict
        from chaos.record.journal import Journal
        from chaos.report import label, terminal, write_all
        from chaos.run import halt

        error, interrupted, watchdog = None, False, None
        try:
            log = run / "logs" / "watchdog.log"
            with crash.caught(run), self.place.watched(log) as watchdog:
                interrupted = asyncio.run(self._perform(run, watchdog, shown))
        except ChaosError as e:
            error = e
            if not (run / "journal.jsonl").exists():
                raise
        journal = Journal.load(run)
        judgement = judge(journal, label(run))
        write_all(run, journal, judgement)
        click.echo(terminal.render(journal, judgement, color=sys.stdout.isatty()), nl=False)
        told = any(journal.of("run.error"))
        if error is not None and (not told or isinstance(error, Crash)):  # otherwise it was printed twice already
            click.echo(f"chaos: {error}", err=True)
        cleared = "everything is healed and ended"
        if watchdog and watchdog.abandoned:
            cleared = "a watchdog keeps trying to clear up"
            click.echo("chaos: the stack could not be cleared up; a watchdog keeps trying, and holds the stack "
                       f"meanwhile. Its log is {_short(run / 'logs' / 'watchdog.log')}", err=True)  # fmt: skip
        if interrupted:
            if found := halt.halted():
                click.echo(f"chaos: {found.words}", err=True)
            click.echo(f"chaos: interrupted; {cleared}, the journal is in {_short(run)}", err=True)
            return INTERRUPTED
        shown.metrics.judged(judgement.verdict, judgement.measures.rto_s)
        if not self.place.owned:  # then its Prometheus keeps running and has to get the verdict
            shown.metrics.asked_again()
        return (judgement.verdict if error is None or told else judgement.verdict | Verdict.ERROR).exit_code

    async def _perform(self, run: Path, watchdog: Watchdog | None, shown: _Shown) -> bool:
        """Execute the plan with progress and metrics. Returns True if it was interrupted."""
        from chaos import registry
        from chaos.experiment import sense
        from chaos.load.closedload import load as hosted
        from chaos.load.nobody import Nobody
        from chaos.observe.live.progress import Progress
        from chaos.observe.metrics import listen
        from chaos.probes import machine
        from chaos.probes.prober.watch import Watch
        from chaos.protocols.capabilities import HOST
        from chaos.run.lease import Lease
        from chaos.run.orchestrator import run as orchestrate
        from chaos.run.recorder import Recorder
        from chaos.run.stage import Participants
        from chaos.targets import known

        plan = self.plan
        progress = Progress(run, self.plain)
        hider = self.stack.hider(plan)
        out.hide(hider)
        target = known.make(self.kind, self.stack, run / "logs", lambda text: progress.note(hider.text(text)))
        named = sorted({name for _, name in sense.journeys(plan)})
        load: Load = Nobody(plan.steady)
        if plan.load.present:
            hosting = target.can.need(HOST)
            load = hosted(hosting, plan.load, run, self.stack.root, steady=plan.steady, journeys=named)
        faults = {s.id: registry.build(registry.load("chaos.faults", s.fault), s.params) for s in plan.steps}
        measured = [p for p in plan.probes if p.within is None]
        probes = [registry.load("chaos.probes", p.kind)(target, p.name, p.every, **p.params) for p in measured]
        probes += [machine.Machine(target)] if machine.STAT.exists() else []

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
            recorder = Recorder(run / "journal.jsonl", tell, hider)
            conditions = [_stop_condition(spec, target, load) for spec in plan.stops]
            triggers = {s.id: _stop_condition(s.until, target, load) for s in plan.steps if s.until}
            participants = Participants(
                target,
                faults,
                load,
                probes,
                self.place.owned,
                conditions,
                Lease(watchdog),
                triggers,
                Watch(plan.probes, target, run),
            )
            with interruptible() as interruption, contextlib.closing(recorder):
                try:
                    await orchestrate(plan, participants, recorder)
                except asyncio.CancelledError:
                    if not interruption.count:
                        raise
        return interruption.count > 0


@dataclass
class _Late:
    """The recent success rate of a load that does not exist before the run starts."""

    success_of: Callable[[], Mapping[str, tuple[int, int]]] = dict

    def success(self) -> Mapping[str, tuple[int, int]]:
        return self.success_of()


@dataclass(frozen=True)
class _Shown:
    metrics: Metrics
    annotations: Annotations
    load: _Late


def _stop_condition(spec: StopSpec, target: Target, load: Load) -> StopCondition:
    from chaos import registry
    from chaos.run import stop_conditions

    if spec.kind == "success":
        return stop_conditions.StopCondition(spec, stop_conditions.users(load, spec))
    probe = registry.load("chaos.probes", spec.kind)(target, spec.id, stop_conditions.EVERY, expr=spec.of)
    return stop_conditions.StopCondition(spec, stop_conditions.measured(probe))


def _short(path: Path) -> str:
    """The path relative to the current folder, if it is below it."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
