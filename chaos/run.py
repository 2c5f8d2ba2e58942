"""The one orchestrator: plan + target + load + probes → journal. It decides nothing; the plan has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chaos.errors import ChaosError, NotSteady, TargetError
from chaos.lifecycle import active, through
from chaos.model import Node
from chaos.plan import Act, Plan, Step
from chaos.protocols import CanExec, CanKill, Fault, Load, Probe, Sink, Target

STEADY = 0.99  # share of operations that must succeed, in every journey, before the first fault
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


async def run(plan: Plan, cast: Cast, sink: Timeline) -> None:
    """Play the plan. Whatever happens, the target is healed, scanned for residue and (if owned) taken down.

    Raises ChaosError; CancelledError when interrupted, after the heal.
    """
    sink.emit("run.start", plan.experiment, seed=plan.seed, target=plan.target, posture=plan.posture)
    status = "error"
    try:
        try:
            await _Run(plan, cast, sink).play()
            status = "done"
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
    with _noted(sink, plan.experiment):
        await cast.load.stop()
    with _noted(sink, plan.experiment):
        if not cast.owned or status == "done":
            await cast.target.heal()
            sink.emit("residue", cast.target.name, left=list(await cast.target.residue()))
    if cast.owned:
        sink.emit("phase", "down")
        with _noted(sink, plan.experiment):
            await cast.target.down()
    sink.emit("run.end", plan.experiment, status=status)


@contextlib.contextmanager
def _noted(sink: Sink, subject: str) -> Any:
    try:
        yield
    except ChaosError as e:
        sink.emit("run.error", subject, error=str(e), type=type(e).__name__)


def _first(group: BaseExceptionGroup[ChaosError]) -> ChaosError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


class _Run:
    def __init__(self, plan: Plan, cast: Cast, sink: Timeline) -> None:
        self.plan, self.cast, self.sink = plan, cast, sink
        self.target = cast.target
        self.nodes = {n.name: n for n in cast.target.nodes()}
        self.t0 = 0.0  # loop time at the start of the timeline

    async def play(self) -> None:
        await self._up()
        async with asyncio.TaskGroup() as aside:
            await self._steady()
            watchers = [aside.create_task(self._watch(probe)) for probe in self.cast.probes]
            self.sink.emit("phase", "timeline")
            async with asyncio.TaskGroup() as timeline:
                for step in self.plan.steps:
                    timeline.create_task(self._step(step, aside))
                for act in self.plan.acts:
                    timeline.create_task(self._act(act))
                timeline.create_task(self._until(self.plan.length))
            self.sink.emit("phase", "recover")
            await self._until(self.plan.length + self.plan.recover)
            await self.cast.load.drain()
            self.sink.emit("load.stop", "load")
            for watcher in watchers:
                watcher.cancel()
        self.sink.emit("phase", "readback")
        await self.cast.load.readback()

    async def _up(self) -> None:
        began = self._now()
        self.sink.emit("phase", "up")
        if self.cast.owned:
            await self.target.up()
        await self.target.heal()  # whatever a run that was killed has left behind
        self.sink.emit("stack.up", self.target.name, seconds=round(self._now() - began, 3), owned=self.cast.owned)
        await self.cast.load.prepare()

    async def _steady(self) -> None:
        """Load until every journey is well for as long as the plan wants; a new start of the load for each try."""
        self.sink.emit("phase", "steady")
        patience = self._now() + self.plan.steady_within
        for attempt in range(1, 100):
            self.t0 = self._now() + self.cast.load.lead + self.plan.steady
            await self.cast.load.start(self.t0, self.plan.length + self.plan.recover)
            await self._until(0.0)
            unwell = self._unwell()
            if not unwell:
                self.sink.zero(self.t0)
                self.sink.emit("load.start", "load", t=-self.plan.steady, rate=self.plan.load.rate, attempt=attempt)
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
        async with active(step, self.cast.faults[step.id], nodes, self.target, self.sink) as bite:
            down = await self._down(step, nodes)
            for release in step.releases:
                await self._until(release.t)
                back = [self.nodes[name] for name in release.nodes]
                await bite.heal(back, release.unit)
                for node in back:
                    if node in down:
                        aside.create_task(self._node_up(step, node))

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
