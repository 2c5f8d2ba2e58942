"""The one orchestrator: plan + target + load + probes → journal. It decides nothing; the plan has."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chaos.errors import ChaosError, NotSteady, Stopped, TargetError
from chaos.guard import Guard
from chaos.lease import Lease
from chaos.lifecycle import active, companies, through, vitals
from chaos.model import Node
from chaos.plan import Act, Plan, Step
from chaos.protocols import CanExec, CanKill, CanShape, Fault, Link, Load, Probe, Quality, Sink, Target

STEADY = 0.99  # share of operations that must succeed, in every journey, before the first fault
TRIED = 2.0  # seconds before the timeline that its stop conditions are tried: as long as one look may take
PATIENCE = 30.0  # seconds for which ending and healing are tried again
AGAIN = 1.0  # seconds between two tries
VITALS_SECONDS = 1.8  # that nodes may take to say how they are: before the first fault there is no more time than TRIED
UP_SECONDS = 30.0  # how long a node that was started again may take to be healthy before we stop watching it


class Timeline(Sink, Protocol):
    def zero(self, t0: float) -> None: ...


@dataclass(frozen=True)
class Cast:
    """Everybody who takes part in a run."""

    target: Target
    faults: Mapping[str, Fault[Any]]  # by step id
    load: Load
    probes: Sequence[Probe]
    owned: bool  # the stack is ours to start and to end
    guards: Sequence[Guard] = ()  # what may end the run before its time
    lease: Lease = field(default_factory=Lease)
    triggers: Mapping[str, Guard] = field(default_factory=dict)  # by step id: what may end that fault before its time


async def run(plan: Plan, cast: Cast, sink: Timeline) -> None:
    """Play the plan. Whatever happens, the target is healed, scanned for residue and (if owned) taken down.

    Raises ChaosError; CancelledError when interrupted, after the heal.
    """
    sink.emit("run.start", plan.experiment, seed=plan.seed, target=plan.target, posture=plan.posture)
    async with cast.lease.kept() as lease:
        await _played(plan, cast, sink, lease)


async def _played(plan: Plan, cast: Cast, sink: Timeline, lease: asyncio.Task[None]) -> None:
    status = "error"
    try:
        try:
            status = await _Run(plan, cast, sink).play(lease)
        except* ChaosError as group:
            raise _first(group) from None
    except asyncio.CancelledError:
        status = "interrupted"
        sink.emit("run.error", plan.experiment, error="interrupted", type="Interrupted")
        raise
    except ChaosError as e:
        sink.emit("run.error", plan.experiment, error=str(e), type=type(e).__name__)
        raise
    finally:
        await through(_end(plan, cast, sink, status))


async def _end(plan: Plan, cast: Cast, sink: Sink, status: str) -> None:
    """Each part even if the one before failed; the journal says what failed."""
    bugs: list[Exception] = []
    noted = functools.partial(_noted, sink, plan.experiment, bugs)
    until = asyncio.get_running_loop().time() + PATIENCE
    await cast.lease.settled()
    with noted():
        await _insist(cast.load.stop, until, sink, "load")
    with noted():
        sink.emit("run.heal", cast.target.name)
    if not cast.owned or status in ("done", "stopped"):
        with noted():
            await _insist(cast.target.heal, until, sink, cast.target.name)
        with noted():  # also where the heal failed: then most of all
            sink.emit("residue", cast.target.name, left=list(await cast.target.residue()))
    if cast.owned:
        with noted():
            sink.emit("phase", "down")
        with noted():
            await _insist(cast.target.down, until, sink, cast.target.name)
    sink.emit("run.end", plan.experiment, status=status)
    if bugs:
        raise bugs[0]


async def _held(lease: asyncio.Task[None]) -> None:
    """Raises LeaseLost when it is."""
    await asyncio.wait([lease])
    lease.result()


async def _insist(work: Callable[[], Coroutine[Any, Any, None]], until: float, sink: Sink, subject: str) -> None:
    """Try again what fails: an engine that is away for a moment must not leave its containers broken.

    Raises what the last try raised, at loop time `until`.
    """
    while True:
        try:
            return await work()
        except ChaosError as e:
            if asyncio.get_running_loop().time() + AGAIN > until:
                raise
            with contextlib.suppress(ChaosError):  # a full disk, said once already
                sink.emit("end.again", subject, error=str(e))
        await asyncio.sleep(AGAIN)


@contextlib.contextmanager
def _noted(sink: Sink, subject: str, bugs: list[Exception]) -> Iterator[None]:
    """What fails inside is journalled and does not keep the rest from being done; our own bugs are kept in `bugs`."""
    try:
        yield
    except Exception as e:
        if not isinstance(e, ChaosError):
            bugs.append(e)
        with contextlib.suppress(ChaosError):  # a full disk, said once already
            sink.emit("run.error", subject, error=str(e) or repr(e), type=type(e).__name__)


def _first(group: BaseExceptionGroup[ChaosError]) -> ChaosError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


async def _in_order(*work: Coroutine[Any, Any, None]) -> None:
    """All at once. The first failure, or our own cancellation, cancels them in this order, so that they heal in it.

    A TaskGroup keeps a set: two plays of one seed would heal in two orders. As with one, a failure is more than a
    cancellation: a heal that failed on the way out is not lost.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    cancelled: asyncio.CancelledError | None = None
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    except asyncio.CancelledError as e:
        cancelled = e
    for task in tasks:
        task.cancel()
    try:
        await through(_ended(tasks))
    except asyncio.CancelledError as e:
        cancelled = e
    for task in tasks:
        if not task.cancelled():
            task.result()
    if cancelled:
        raise cancelled


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)  # each has journalled its own failure


class _Run:
    def __init__(self, plan: Plan, cast: Cast, sink: Timeline) -> None:
        self.plan, self.cast, self.sink = plan, cast, sink
        self.target = cast.target
        self.nodes = {n.name: n for n in cast.target.nodes()}
        self.companies = companies(plan.steps, cast.faults)
        self.t0 = 0.0  # loop time at the start of the timeline
        self.apart: Sequence[Link] = ()  # links that the zones' distance was laid on

    async def play(self, lease: asyncio.Task[None]) -> str:
        """How it went: done, or stopped by a condition. Either way what users met is on record to its end."""
        await self._up()
        self.cast.lease.begin()
        async with asyncio.TaskGroup() as aside:
            held = aside.create_task(_held(lease))
            await self._steady()
            watchers = [aside.create_task(self._watch(probe)) for probe in self.cast.probes]
            self.sink.emit("phase", "timeline")
            stopped = await self._timeline(aside)
            end = self._now() - self.t0 if stopped else self.plan.length
            self.sink.emit("phase", "recover")
            await self._until(end + self.plan.recover)
            await self._still_apart()
            await self.cast.load.drain()
            self.sink.emit("load.stop", "load")
            for watcher in (*watchers, held):
                watcher.cancel()
        self.sink.emit("phase", "readback")
        await self.cast.load.readback()
        return "stopped" if stopped else "done"

    async def _timeline(self, aside: asyncio.TaskGroup) -> bool:
        """Whether a stop condition ended it before its time. Every fault is healed either way."""
        stopped = False
        try:
            async with asyncio.TaskGroup() as guarded:
                guards = [guarded.create_task(guard.watch(self.sink)) for guard in self.cast.guards]
                steps = [self._step(step, aside) for step in self.plan.steps]
                await _in_order(*steps, *map(self._act, self.plan.acts), self._until(self.plan.length))
                for guard in guards:
                    guard.cancel()
        except* Stopped:
            stopped = True
        return stopped

    async def _up(self) -> None:
        began = self._now()
        self.sink.emit("phase", "up")
        if self.cast.owned:
            await self.target.up()
        self.sink.emit("run.heal", self.target.name)
        await self.target.heal()  # whatever a run that was killed has left behind
        await self._distance()
        self.sink.emit("stack.up", self.target.name, seconds=round(self._now() - began, 3), owned=self.cast.owned)
        await self.cast.load.prepare()

    async def _distance(self) -> None:
        """The network's normal state: zones are as far apart as the stack says."""
        if not (ms := self.plan.between_zones_ms):
            return
        assert isinstance(self.target, CanShape), "checked while planning"
        zones: dict[str, set[str]] = {}
        for node in self.nodes.values():
            zones.setdefault(node.zone, set()).add(node.name)
        pairs = itertools.combinations(sorted(zones), 2)
        links = [Link(frozenset(zones[one]), frozenset(zones[other])) for one, other in pairs]
        await self.target.shape("distance", links, Quality(delay_ms=ms))
        self.apart = links
        self.sink.emit("network", "distance", zones=sorted(zones), delay_ms=ms)

    async def _still_apart(self) -> None:
        """A helper that died took the distance with it, and what users met was another network."""
        words = "" if not self.apart else await self._why_close()
        if words:
            self.sink.emit("network.lost", "distance", error=words)

    async def _why_close(self) -> str:
        assert isinstance(self.target, CanShape), "it laid the distance on"
        try:
            met = await asyncio.gather(*(self.target.traffic("distance", link) for link in self.apart))
        except ChaosError as e:
            return str(e)
        return "" if None not in met else f"{self.target.name} shows no sign of it any more"

    async def _steady(self) -> None:
        """Load until every journey is well for as long as the plan wants; a new start of the load for each try."""
        self.sink.emit("phase", "steady")
        patience = self._now() + self.plan.steady_within
        for attempt in range(1, 100):
            self.t0 = self._now() + self.cast.load.lead + self.plan.steady
            await self.cast.load.start(self.t0, self.plan.length + self.plan.recover)
            await self._until(-TRIED)
            guards = [*self.cast.guards, *self.cast.triggers.values()]
            asked = asyncio.gather(*(g.refuses() for g in guards))
            before = await asyncio.gather(*map(self._vitals, self._steps()))
            refused = [why for why in await asked if why]
            await self._until(0.0)
            unwell = self._unwell() + refused
            if not unwell:
                self.sink.zero(self.t0)
                self.sink.emit("load.start", "load", t=-self.plan.steady, rate=self.plan.load.rate, attempt=attempt)
                for step, found in zip(self._steps(), before, strict=True):
                    self._tell("before", step, found, t=-TRIED)
                return
            await self.cast.load.stop()
            if self._now() > patience:
                raise NotSteady(
                    f"not steady within {self.plan.steady_within:.0f} s, no fault was injected: {'; '.join(unwell)}"
                )

    def _unwell(self) -> list[str]:
        seen = self.cast.load.success(self.plan.steady)
        if not seen:
            return ["no operation was recorded"]
        return [f"{name} {ok} of {n} ok" for name, (ok, n) in sorted(seen.items()) if ok < STEADY * n]

    async def _step(self, step: Step, aside: asyncio.TaskGroup) -> None:
        nodes = [self.nodes[name] for name in step.nodes]
        await self._until(step.at)
        if self.plan.leashed:
            self.sink.emit("step.leashed", step.id, what=step.fault, nodes=list(step.nodes))
            return
        self.cast.lease.hold()
        fault, company = self.cast.faults[step.id], self.companies[step.id]
        async with active(step, fault, nodes, self.target, self.sink, company) as bite:
            looking = aside.create_task(self._look("during", step))
            try:
                down = await self._down(step, nodes)
                over = False
                for release in step.releases:
                    back = [self.nodes[name] for name in release.nodes]
                    over = over or await self._over(step, release.t - fault.ahead)
                    await bite.check(back)
                    if not over:
                        await self._until(release.t)
                    looking.cancel()  # what it has not seen by now would not be the fault's doing
                    await bite.heal(back, release.unit)
                    for node in back:
                        if node in down:
                            aside.create_task(self._node_up(step, node))
            finally:
                looking.cancel()
        aside.create_task(self._look("after", step))

    def _steps(self) -> Sequence[Step]:
        """Those that will be played."""
        return () if self.plan.leashed else self.plan.steps

    async def _vitals(self, step: Step) -> Mapping[str, float]:
        nodes = [self.nodes[name] for name in step.nodes]
        return await vitals(self.cast.faults[step.id], self.target, nodes, VITALS_SECONDS)

    async def _look(self, when: str, step: Step) -> None:
        self._tell(when, step, await self._vitals(step))

    def _tell(self, when: str, step: Step, found: Mapping[str, float], t: float | None = None) -> None:
        if found:
            self.sink.emit("vitals", step.id, t=t, when=when, figures=dict(found))

    async def _over(self, step: Step, t: float) -> bool:
        """Wait until `t`. True as soon as the step's own condition has held: then nothing of it stays."""
        if (trigger := self.cast.triggers.get(step.id)) is None:
            await self._until(t)
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.t0 + t - self._now()):
                value = await trigger.held(self.sink)
            self.sink.emit("step.until", step.id, condition=trigger.spec.words, value=value)
            return True
        return False

    async def _down(self, step: Step, nodes: Sequence[Node]) -> Sequence[Node]:
        if not isinstance(self.target, CanKill):
            return []
        running = await asyncio.gather(*map(self.target.running, nodes))
        down = [node for node, runs in zip(nodes, running, strict=True) if not runs]
        for node in down:
            self.sink.emit("node.down", node.name, step=step.id)
        return down

    async def _node_up(self, step: Step, node: Node) -> None:
        """Says when a node that was started again is well by its own health check.

        Asked less and less often: in a boot storm every check takes the processor from what it waits for.
        """
        with contextlib.suppress(TimeoutError, TargetError):
            async with asyncio.timeout(UP_SECONDS):
                pause = 0.5
                while not await self.target.healthy(node):
                    await asyncio.sleep(pause)
                    pause = min(1.5 * pause, 3.0)
                self.sink.emit("node.up", node.name, step=step.id)

    async def _act(self, act: Act) -> None:
        await self._until(act.at)
        if self.plan.leashed:
            self.sink.emit("step.leashed", act.id, what=act.name, nodes=list(act.nodes))
            return
        self.cast.lease.hold()
        self.sink.emit("operator.start", act.id, name=act.name, command=list(act.command), nodes=list(act.nodes))
        assert isinstance(self.target, CanExec), "checked while planning"
        asked = [self.target.exec(self.nodes[name], act.command) for name in act.nodes]
        answers = await asyncio.gather(*asked)
        codes = {name: code for name, (code, _) in zip(act.nodes, answers, strict=True)}
        output = {name: text[-500:] for name, (code, text) in zip(act.nodes, answers, strict=True) if code}
        self.sink.emit("operator.done", act.id, codes=codes, output=output)
        if output:
            raise TargetError(f"{act.id}: {act.name} failed on {', '.join(output)}: {next(iter(output.values()))}")

    async def _watch(self, probe: Probe) -> None:
        while True:
            try:
                self.sink.emit("probe.sample", probe.name, **await probe.sample())
            except (ChaosError, OSError, TimeoutError) as e:
                self.sink.emit("probe.error", probe.name, error=str(e) or type(e).__name__)
            await asyncio.sleep(probe.every)

    async def _until(self, t: float) -> None:
        await asyncio.sleep(self.t0 + t - self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
