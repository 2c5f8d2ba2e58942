"""The life of a fault: look → inject → confirm → (in force) → heal. The heal happens in every case.

An effect that is seen after the injection is the fault's only if it was not there before, so each node is checked right
before the injection. The step is INCONCLUSIVE if a node is not running, if it already shows the fault's effect, or if
it cannot be checked. The exception is a node on which another step of the plan is in force: the effect may be that
step's, the plan has the two overlap on purpose, and the journal names the other step (`fault.inject`, `behind`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from chaos.errors import CannotLook, ChaosError, FaultError, NoEffect
from chaos.experiment.plan import Step
from chaos.model import Node
from chaos.protocols import Fault, Sink, Target
from chaos.protocols.table import Capability
from chaos.run.cancellation import through
from chaos.run.node_lock import NodeLock
from chaos.waiting import wait_until

HEAL_SECONDS = 30.0
LOOK_SECONDS = 10.0  # seconds that a check may take; after that the result is unknown
FELT_SECONDS = 3.0  # seconds within which the nodes' vitals have to change
AGAIN = 0.1  # seconds between two checks


@dataclass(frozen=True)
class Before:
    """The result of a check before an injection: the nodes' vitals, and the steps already in force on some of these
    nodes.
    """

    vitals: Mapping[str, float] = field(default_factory=dict)
    behind: Sequence[str] = ()
    comparable: bool = True  # the vitals can be compared; if not, another step interferes


@dataclass
class ActiveFault:
    """A fault that is in force on the nodes in `owed`. `active` heals whatever is still owed at the end.

    Steps that share nodes share a `lock`: they change the target one after another, in the order of injection.
    """

    step: Step
    fault: Fault[Any]
    target: Target
    sink: Sink
    lock: NodeLock
    owed: list[Node] = field(default_factory=list)

    @property
    def on(self) -> Capability:
        """The capability that the fault uses. Raises TargetError if the target does not have it, which planning
        refuses.
        """
        found: Capability = self.target.can.need(self.fault.needs)
        return found

    async def look(self, nodes: Sequence[Node]) -> Before:
        """Check that the fault's effect is not there yet, except where other steps are in force.

        Raises NoEffect, TargetError.
        """
        parts = [list(nodes)] if self.fault.whole else [[node] for node in nodes]
        found = await asyncio.gather(*map(self._before, parts), *map(self._down, nodes))
        held = self.lock.held(self)
        wrong = {name: why for names, why in found if why for name in names if name not in held}
        vitals: Mapping[str, float] = {}
        if self.fault.compared and not wrong:
            vitals = await vitals_of(self.fault, self.on, nodes, LOOK_SECONDS)
        comparable = not self.fault.compared or self.fault.felt(vitals, vitals) is not None
        if not (comparable or wrong or self.lock.others(self)):
            wrong = dict.fromkeys(_names(nodes), "what it would change could not be measured before")
        if wrong:
            by_why = {why: [n for n, w in wrong.items() if w == why] for why in wrong.values()}
            words = "; ".join(f"{', '.join(names)}: {why}" for why, names in by_why.items())
            self._refuse(list(wrong), words, "was not injected")
        return Before(vitals, sorted({step for n in nodes for step in held.get(n.name, ())}), comparable)

    async def _before(self, nodes: Sequence[Node]) -> tuple[Sequence[str], str]:
        """Node names, and why an effect on them could not be attributed to this fault (empty if it could)."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                already = await self.fault.already(self.on, nodes)
        except CannotLook as e:
            return _names(nodes), f"could not be checked before: {e}"
        except TimeoutError:
            return _names(nodes), f"could not be checked before: no answer within {LOOK_SECONDS:.0f} s"
        return _names(nodes), f"{self.step.fault} was in force before" if already else ""

    async def _down(self, node: Node) -> tuple[Sequence[str], str]:
        return [node.name], "" if await self.target.running(node) else "was down before"

    def _refuse(self, names: Sequence[str], why: str, but: str) -> NoReturn:
        self.sink.emit("fault.error", self.step.id, nodes=list(names), error=f"{but}: {why}")
        raise NoEffect(f"{self.step.id}: {self.step.fault} {but}: {why}")

    async def inject(self, nodes: Sequence[Node], before: Before) -> None:
        """Inject the fault and confirm it. Raises NoEffect, FaultError, TargetError; the nodes are then still owed a
        heal.
        """
        async with self.lock.changing:
            self.owed = list(nodes)
            told: dict[str, Any] = {"fault": self.step.fault, "nodes": _names(nodes)}
            told |= {"behind": before.behind} if before.behind else {}
            self.sink.emit("fault.inject", self.step.id, **told)
            await self.fault.inject(self.on, nodes)
            if why := await self._unseen(nodes, before):
                self._refuse(_names(nodes), why, "was injected, but its effect could not be confirmed")
            figures = await _figures(self.fault, self.on, nodes)
            extra: dict[str, Any] = {"figures": figures} if figures else {}
            self.sink.emit("fault.active", self.step.id, fault=self.step.fault, nodes=_names(nodes), **extra)
            self.lock.in_force.append(self)

    async def _unseen(self, nodes: Sequence[Node], before: Before) -> str:
        """Why the effect cannot be confirmed; empty if it is."""
        try:
            if not await self.fault.confirm(self.on, nodes):
                return f"{self.target.name} shows no sign of it"
        except CannotLook as e:
            return f"it could not be checked: {e}"
        return await self._unfelt(nodes, before) if self.fault.compared and before.comparable else ""

    async def _unfelt(self, nodes: Sequence[Node], before: Before) -> str:
        during: Mapping[str, float] = {}

        async def felt() -> bool:
            nonlocal during
            during = await vitals_of(self.fault, self.on, nodes, LOOK_SECONDS)
            differs = self.fault.felt(before.vitals, during)
            return differs or (differs is None and bool(self.lock.others(self)))

        try:
            await wait_until(felt, FELT_SECONDS, AGAIN)
        except TimeoutError:
            return f"it was {_flow(before.vitals)} before, and is {_flow(during)} now"
        return ""

    async def check(self, nodes: Sequence[Node]) -> None:
        """Record in the journal whether the fault is still in force on `nodes`, right before their heal.

        It raises only if the journal cannot be written. Faults that are over at once are not checked. A fault that was
        injected later and is still in force may hide this one.
        """
        if not nodes or self.fault.momentary:
            return
        async with self.lock.changing:
            told: dict[str, Any] = {"fault": self.step.fault}
            why = await self._gone(nodes)
            if not why:
                return self.sink.emit("fault.still", self.step.id, **told, nodes=_names(nodes))
            over = self.lock.over(self, nodes)
            open_ = [n for n in nodes if n.name not in over]
            if len(open_) < len(nodes) and open_ and not await self._gone(open_):
                self.sink.emit("fault.still", self.step.id, **told, nodes=_names(open_))
            elif open_:
                self.sink.emit("fault.gone", self.step.id, **told, nodes=_names(open_), error=why)
            if over:
                behind = sorted(set().union(*over.values()))
                self.sink.emit("fault.hidden", self.step.id, **told, nodes=sorted(over), behind=behind)

    async def _gone(self, nodes: Sequence[Node]) -> str:
        """Why the fault cannot be confirmed any more; empty if it can."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                present = await self.fault.still(self.on, await self._showing(nodes))
        except ChaosError as e:
            return str(e)
        except TimeoutError:
            return f"no answer within {LOOK_SECONDS:.0f} s"
        return "" if present else f"{self.target.name} shows no sign of it any more"

    async def _showing(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """The nodes on which the effect can be seen. The fault may have ended the others, and is in force there as
        well.
        """
        if not self.fault.hidden_by_death:
            return nodes
        runs = await asyncio.gather(*map(self.target.running, nodes))
        return [node for node, up in zip(nodes, runs, strict=True) if up]

    async def heal(self, nodes: Sequence[Node], unit: int = 0) -> None:
        """Heal `nodes`, even if this task is cancelled meanwhile. Other faults on them stay in force."""
        await through(self._heal(nodes, unit))

    async def _heal(self, nodes: Sequence[Node], unit: int) -> None:
        async with self.lock.changing:
            figures: Mapping[str, float] = {}
            unwritten: ChaosError | None = None
            if nodes:
                try:
                    self.sink.emit("step.heal", self.step.id, nodes=_names(nodes))
                except ChaosError as e:  # a journal without space must not prevent the heal
                    unwritten = e
                try:
                    async with asyncio.timeout(HEAL_SECONDS):
                        figures = await _figures(self.fault, self.on, nodes)
                        await self.fault.heal(self.on, nodes)
                except (ChaosError, TimeoutError) as e:
                    words = str(e) or f"not healed within {HEAL_SECONDS:.0f} s"
                    self.sink.emit("fault.error", self.step.id, nodes=_names(nodes), error=words)
                    raise FaultError(f"{self.step.id}: {words}") from e
            self.owed = [n for n in self.owed if n not in nodes]
            extra: dict[str, Any] = {"unit": unit} if unit else {}
            extra |= {"figures": figures} if figures else {}
            self.sink.emit("fault.heal", self.step.id, nodes=_names(nodes), **extra)
            if not self.owed:
                self.leave()
            await self.lock.again(nodes)
            if unwritten:
                raise unwritten

    def leave(self) -> None:
        if self in self.lock.in_force:
            self.lock.in_force.remove(self)

    async def again(self, last: bool) -> bool:
        """Inject the fault again if the heal of another fault removed it, for example by starting a node that this one
        kills.

        Returns whether it was injected again, on all nodes in `owed`. If a later fault hides this one (a dead node
        cannot be frozen), failures are ignored; the `last` one injected has to be confirmed.
        """
        try:
            if await self.fault.confirm(self.on, self.owed):
                return False
            self.sink.emit("fault.again", self.step.id, fault=self.step.fault, nodes=_names(self.owed))
            await self.fault.inject(self.on, self.owed)
            seen = await self.fault.confirm(self.on, self.owed)
        except CannotLook as e:
            if last:
                raise NoEffect(f"{self.step.id}: not checked after the heal of another fault: {e}") from e
            return True
        except ChaosError as e:
            if last:
                raise FaultError(f"{self.step.id}: gone with the heal of another fault: {e}") from e
            return True
        if last and not seen:
            raise NoEffect(f"{self.step.id}: gone with the heal of another fault, and not confirmed again")
        return True


@asynccontextmanager
async def active(
    step: Step,
    fault: Fault[Any],
    nodes: Sequence[Node],
    target: Target,
    sink: Sink,
    lock: NodeLock,
    before: Before | None = None,
) -> AsyncIterator[ActiveFault]:
    """Hold a fault in force inside the block, and heal it afterwards. Raises NoEffect, FaultError.

    `before` is the result of `look`; without it, `look` is called first.
    """
    active_fault = ActiveFault(step, fault, target, sink, lock)
    looked = before or await active_fault.look(nodes)
    sink.emit("step.intent", step.id, fault=step.fault, nodes=_names(nodes))
    lock.everywhere.append(active_fault)
    try:
        await active_fault.inject(nodes, looked)
        yield active_fault
    finally:
        active_fault.leave()
        try:
            if active_fault.owed:
                await active_fault.heal(active_fault.owed)
        finally:
            lock.everywhere.remove(active_fault)


async def vitals_of(fault: Fault[Any], on: Capability, nodes: Sequence[Node], within: float) -> dict[str, float]:
    """The vitals of the nodes; empty if they cannot be read within that many seconds."""
    try:
        async with asyncio.timeout(within):
            return dict(await fault.vitals(on, nodes))
    except (ChaosError, TimeoutError):
        return {}


async def _figures(fault: Fault[Any], on: Capability, nodes: Sequence[Node]) -> dict[str, float]:
    """The fault's figures so far. If they cannot be read, the heal goes on without them."""
    try:
        return dict(await fault.figures(on, nodes))
    except ChaosError:
        return {}


def _flow(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in figures.items()) or "unknown"


def _names(nodes: Sequence[Node]) -> list[str]:
    return [n.name for n in nodes]
