"""Faults as somebody asks for them one by one, a test most of all: each is planned, injected, seen to bite, healed.

What an experiment's timeline does at its times, a driver does when it is told. The same planner refuses the same
mistakes in the same words, the same lifecycle confirms and heals.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos import planning, registry
from chaos.errors import BadExperiment, ChaosError, TargetError
from chaos.experiment import Entry, Experiment, Users
from chaos.lifecycle import Company, active, through
from chaos.model import Node
from chaos.plan import Step
from chaos.protocols import CanExec, CanHost, Sink, Target

WELL = 30.0  # seconds that nodes may take to be healthy again after a heal
LOOK = 0.1  # seconds between two looks


@dataclass
class _Active:
    step: Step
    task: asyncio.Task[None]
    done: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False  # it was healed because its time was up


class Driver:
    """Faults on one target that is up. `seed` decides what selectors with `pick` and `share` take."""

    def __init__(self, target: Target, sink: Sink, seed: int = 7) -> None:
        self._target, self._sink = target, sink
        self._choices = planning.Choices(seed, {}, {})
        self._nodes = {n.name: n for n in target.nodes()}
        self._company = Company()  # one change at a time, as in a run for steps that share nodes
        self._active: dict[str, _Active] = {}
        self._count = 0

    async def inject(
        self, fault: str, where: Mapping[str, Any], params: Mapping[str, Any], limit: float | None = None
    ) -> Step:
        """Returns once the fault bites. It is healed by itself after `limit` seconds.

        Raises BadExperiment (a name, a parameter or a selector is wrong), NoBite, FaultError, TargetError.
        """
        step = self._planned(fault, where, params)
        cls = registry.load("chaos.faults", fault)
        company = Company() if getattr(cls, "adds_up", False) else self._company
        bites: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        one = _Active(step, asyncio.create_task(asyncio.sleep(0)))
        one.task = asyncio.create_task(self._hold(one, registry.build(cls, step.params), company, bites, limit))
        self._active[step.id] = one
        try:
            await asyncio.shield(bites)
        except BaseException:
            await self._given_up(step.id)
            raise
        return step

    async def heal(self, step: str) -> bool:
        """End one fault; returns when its nodes are healthy. False if it had been healed because its time was up.

        Raises BadExperiment for a step that there is not, FaultError, TargetError.
        """
        one = self._active.get(step)
        if one is None:
            raise BadExperiment(f"no fault {step!r} is active; {registry.hint(step, self._active)}")
        one.done.set()
        try:
            await through(_ended(one.task))
        finally:
            self._active.pop(step, None)
        await self.well(one.step.nodes)
        return not one.late

    async def heal_all(self) -> None:
        """Everything that is still active, the last injected first. Raises what the first failure raised."""
        failures = []
        for step in reversed(list(self._active)):
            try:
                await self.heal(step)
            except ChaosError as e:
                failures.append(e)
        if failures:
            raise failures[0]

    async def well(self, nodes: Sequence[str] = (), within: float = WELL) -> None:
        """Returns when these nodes (default: all) are healthy. Raises TargetError with the last words of one that is
        not."""
        end = asyncio.get_running_loop().time() + within
        hurt = {n for one in self._active.values() for n in one.step.nodes}
        left = [self.node(name) for name in nodes or self._nodes if name not in hurt]
        while left := [n for n in left if not await self._target.healthy(n)]:
            if asyncio.get_running_loop().time() > end:
                said = " / ".join(await self._target.logs(left[0], 5)) or "nothing"
                raise TargetError(f"{left[0].name} is not healthy after {within:g} s; it said: {said}")
            await asyncio.sleep(LOOK)

    def node(self, name: str) -> Node:
        if name not in self._nodes:
            raise BadExperiment(f"no node called {name!r}; {registry.hint(name, self._nodes)}")
        return self._nodes[name]

    async def fetch(self, node: str, port: int, path: str, timeout: float) -> tuple[int, str]:
        """HTTP GET as the users' network sees the node: status and body. Raises TargetError if nobody answers."""
        if not isinstance(self._target, CanHost):
            raise TargetError(f"{self._target.name} cannot ask nodes over HTTP")
        self.node(node)
        status, body = await self._target.fetch(node, port, path, timeout)
        return status, body.decode(errors="replace")

    async def exec(self, node: str, command: Sequence[str], timeout: float) -> tuple[int, str]:
        """Exit code and output of a command inside the node. Raises TargetError."""
        if not isinstance(self._target, CanExec):
            raise TargetError(f"{self._target.name} cannot run commands inside nodes")
        return await self._target.exec(self.node(node), command, timeout)

    def _planned(self, fault: str, where: Mapping[str, Any], params: Mapping[str, Any]) -> Step:
        """The planner's own step, and its own words for what is wrong."""
        self._count += 1
        entry = Entry(at="0s", fault=fault, where=where, params=params, lasts="24h", id=f"{fault}-{self._count}")
        nobody = Users(users="", count=0, rate="0/s", floor="0/s")
        made = Experiment(name="test", claim="", timeline=[entry], checks=[], load=nobody)
        try:
            return planning.plan("test", made, self._target, self._choices).steps[0]
        except BadExperiment as e:
            raise BadExperiment(*(p.replace("test: timeline[0]", fault, 1) for p in e.problems)) from None

    async def _hold(
        self, one: _Active, fault: Any, company: Company, bites: asyncio.Future[None], limit: float | None
    ) -> None:
        nodes = [self._nodes[name] for name in one.step.nodes]
        try:
            async with active(one.step, fault, nodes, self._target, self._sink, company):
                bites.set_result(None)
                try:
                    await asyncio.wait_for(one.done.wait(), limit)
                except TimeoutError:
                    one.late = True
        except Exception as e:
            if bites.done():
                raise
            bites.set_exception(e)

    async def _given_up(self, step: str) -> None:
        """It never bit, or we are cancelled meanwhile: what was begun is healed."""
        one = self._active.pop(step)
        one.task.cancel()
        with contextlib.suppress(ChaosError, asyncio.CancelledError):
            await through(_ended(one.task))


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
