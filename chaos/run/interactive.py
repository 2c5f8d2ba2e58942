"""Faults on request, mostly from tests: each is planned, injected, confirmed and healed when the caller asks for it.

An experiment's timeline acts at planned times; a driver acts on request. Planner and lifecycle are the same, so
mistakes are refused with the same messages, and faults are confirmed and healed in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chaos import registry
from chaos.errors import BadExperiment, ChaosError, TargetError
from chaos.experiment import planning
from chaos.experiment.file import Entry, Experiment
from chaos.experiment.loads import Users
from chaos.experiment.plan import Step
from chaos.model import Node
from chaos.protocols import Sink, Target
from chaos.protocols.capabilities import EXEC, HOST
from chaos.run.cancellation import through
from chaos.run.lifecycle import active
from chaos.run.node_lock import NodeLock
from chaos.waiting import wait_until

WELL = 30.0  # seconds that nodes may take to become healthy after a heal
LOOK = 0.1  # seconds between two checks


@dataclass
class _Active:
    step: Step
    task: asyncio.Task[None]
    done: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False  # it was healed because its time limit had passed


class Driver:
    """Injects faults into a running target. `seed` decides which nodes selectors with `pick` and `share` choose."""

    def __init__(self, target: Target, sink: Sink, seed: int = 7) -> None:
        self._target, self._sink = target, sink
        self._choices = planning.Choices(seed, {}, {})
        self._nodes = {n.name: n for n in target.nodes()}
        self._lock = NodeLock()  # one change at a time, as for steps of a run that share nodes
        self._active: dict[str, _Active] = {}
        self._count = 0

    async def inject(self, fault: str, where: Any, params: Mapping[str, Any], limit: float | None = None) -> Step:
        """Inject a fault and return once it is confirmed. It is healed automatically after `limit` seconds.

        Raises BadExperiment (a wrong name, parameter or selector), NoEffect, FaultError, TargetError.
        """
        step = self._planned(fault, where, params)
        cls = registry.load("chaos.faults", fault)
        lock = NodeLock(self._lock.everywhere) if cls.adds_up else self._lock
        in_force: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        one = _Active(step, asyncio.create_task(asyncio.sleep(0)))
        one.task = asyncio.create_task(self._hold(one, registry.build(cls, step.params), lock, in_force, limit))
        self._active[step.id] = one
        try:
            await asyncio.shield(in_force)
        except BaseException:
            await self._given_up(step.id)
            raise
        return step

    async def heal(self, step: str) -> bool:
        """Heal one fault and return when its nodes are healthy. False if it had been healed because its limit had
        passed.

        Raises BadExperiment for an unknown step, FaultError, TargetError.
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
        """Heal all active faults, the last injected first. Raises the first failure."""
        failures = []
        for step in reversed(list(self._active)):
            try:
                await self.heal(step)
            except ChaosError as e:
                failures.append(e)
        if failures:
            raise failures[0]

    async def well(self, nodes: Sequence[str] = (), within: float = WELL) -> None:
        """Return when these nodes (default: all) are healthy. Raises TargetError with the node's last output if one is
        not.
        """
        hurt = {n for one in self._active.values() for n in one.step.nodes}
        left = [self.node(name) for name in nodes or self._nodes if name not in hurt]

        async def none_left() -> bool:
            left[:] = [n for n in left if not await self._target.healthy(n)]
            return not left

        try:
            await wait_until(none_left, within, LOOK)
        except TimeoutError:
            said = " / ".join(await self._target.logs(left[0], 5)) or "nothing"
            raise TargetError(f"{left[0].name} is not healthy after {within:g} s; its last output: {said}") from None

    def node(self, name: str) -> Node:
        if name not in self._nodes:
            raise BadExperiment(f"no node called {name!r}; {registry.hint(name, self._nodes)}")
        return self._nodes[name]

    async def fetch(self, node: str, port: int, path: str, timeout: float) -> tuple[int, str]:
        """HTTP GET from the users' network: status and body. Raises TargetError if there is no answer."""
        users = self._target.can.need(HOST)
        self.node(node)
        status, body = await users.fetch(node, port, path, timeout)
        return status, body.decode(errors="replace")

    async def exec(self, node: str, command: Sequence[str], timeout: float) -> tuple[int, str]:
        """Exit code and output of a command inside the node. Raises TargetError."""
        return await self._target.can.need(EXEC).exec(self.node(node), command, timeout)

    def _planned(self, fault: str, where: Any, params: Mapping[str, Any]) -> Step:
        """Plan one step with the experiments' planner, so that mistakes get the same messages."""
        self._count += 1
        name = f"{fault}-{self._count}"
        asked = {"at": "0s", "fault": fault, "where": where, "with": params, "for": "24h", "id": name}
        try:
            entry = msgspec.convert(asked, Entry)
        except msgspec.ValidationError as e:
            raise BadExperiment(f"{fault}: {str(e).replace('`', chr(39))}") from None
        nobody = Users(users="", count=0, rate="0/s", floor="0/s")
        made = Experiment(name="test", claim="", timeline=[entry], checks=[], load=nobody)
        try:
            return planning.plan("test", made, self._target, self._choices).steps[0]
        except BadExperiment as e:
            raise BadExperiment(*(p.replace("test: timeline[0]", fault, 1) for p in e.problems)) from None

    async def _hold(
        self, one: _Active, fault: Any, lock: NodeLock, in_force: asyncio.Future[None], limit: float | None
    ) -> None:
        nodes = [self._nodes[name] for name in one.step.nodes]
        try:
            async with active(one.step, fault, nodes, self._target, self._sink, lock):
                in_force.set_result(None)
                try:
                    async with asyncio.timeout(limit):
                        await one.done.wait()
                except TimeoutError:
                    one.late = True
        except Exception as e:
            if in_force.done():
                raise
            in_force.set_exception(e)

    async def _given_up(self, step: str) -> None:
        """Heal what was begun, because the fault was never confirmed or this task was cancelled."""
        one = self._active.pop(step)
        one.task.cancel()
        with contextlib.suppress(ChaosError, asyncio.CancelledError):
            await through(_ended(one.task))


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
