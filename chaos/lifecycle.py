"""inject → confirm → (the fault bites) → heal, and heal happens no matter what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from chaos.errors import ChaosError, FaultError, NoBite
from chaos.model import Node
from chaos.plan import Step
from chaos.protocols import Fault, Sink, Target

HEAL_SECONDS = 30.0
LOOK_SECONDS = 10.0  # that a look may take; then nobody saw anything


@dataclass
class Bite:
    """A fault in force on `owed`; whatever is still owed at the end is healed by `active`.

    Steps that share nodes share a `company`: they change the target one after another, in the order of injection.
    """

    step: Step
    fault: Fault[Any]
    target: Target
    sink: Sink
    company: Company
    owed: list[Node] = field(default_factory=list)

    async def inject(self, nodes: Sequence[Node]) -> None:
        """Raises NoBite, FaultError, TargetError; what was begun is then still owed."""
        async with self.company.changing:
            self.owed = list(nodes)
            self.sink.emit("fault.inject", self.step.id, fault=self.step.fault, nodes=_names(nodes))
            await self.fault.inject(self.target, nodes)
            if not await self.fault.confirm(self.target, nodes):
                words = "injected, but nobody can see it"
                self.sink.emit("fault.error", self.step.id, nodes=_names(nodes), error=words)
                raise NoBite(
                    f"{self.step.id}: {self.step.fault} was injected, but {self.target.name} shows no sign of it"
                )
            figures = await _figures(self.fault, self.target, nodes)
            extra: dict[str, Any] = {"figures": figures} if figures else {}
            self.sink.emit("fault.active", self.step.id, fault=self.step.fault, nodes=_names(nodes), **extra)
            self.company.biting.append(self)

    async def check(self, nodes: Sequence[Node]) -> None:
        """Before the heal of `nodes`: the journal says whether it bites there yet. Only the journal can fail here.

        One that was over when it had happened is not asked. Where a fault that came later still bites, this one may be
        hidden behind it.
        """
        if not nodes or getattr(self.fault, "momentary", False):
            return
        async with self.company.changing:
            told: dict[str, Any] = {"fault": self.step.fault}
            why = await self._gone(nodes)
            if not why:
                return self.sink.emit("fault.still", self.step.id, **told, nodes=_names(nodes))
            over = self.company.over(self, nodes)
            open_ = [n for n in nodes if n.name not in over]
            if len(open_) < len(nodes) and open_ and not await self._gone(open_):
                self.sink.emit("fault.still", self.step.id, **told, nodes=_names(open_))
            elif open_:
                self.sink.emit("fault.gone", self.step.id, **told, nodes=_names(open_), error=why)
            if over:
                behind = sorted(set().union(*over.values()))
                self.sink.emit("fault.hidden", self.step.id, **told, nodes=sorted(over), behind=behind)

    async def _gone(self, nodes: Sequence[Node]) -> str:
        """Why nobody can say that it bites; empty where it does."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                bites = await self.fault.still(self.target, nodes)
        except ChaosError as e:
            return str(e)
        except TimeoutError:
            return f"no answer within {LOOK_SECONDS:.0f} s"
        return "" if bites else f"{self.target.name} shows no sign of it any more"

    async def heal(self, nodes: Sequence[Node], unit: int = 0) -> None:
        """Take the fault off `nodes`, whoever cancels us meanwhile. What else bites there goes on biting."""
        await through(self._heal(nodes, unit))

    async def _heal(self, nodes: Sequence[Node], unit: int) -> None:
        async with self.company.changing:
            figures: Mapping[str, float] = {}
            unwritten: ChaosError | None = None
            if nodes:
                try:
                    self.sink.emit("step.heal", self.step.id, nodes=_names(nodes))
                except ChaosError as e:  # a journal without room must not keep the fault in
                    unwritten = e
                try:
                    async with asyncio.timeout(HEAL_SECONDS):
                        figures = await _figures(self.fault, self.target, nodes)
                        await self.fault.heal(self.target, nodes)
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
            await self.company.again(nodes)
            if unwritten:
                raise unwritten

    def leave(self) -> None:
        if self in self.company.biting:
            self.company.biting.remove(self)

    async def again(self, last: bool) -> bool:
        """Inject once more what the heal of another fault took with it: a node that one started, the other kills.

        Whether it was, on all nodes that it is owed by. A fault may hide behind one that came later (nobody can freeze
        what is dead); the last one may not.
        """
        try:
            if await self.fault.confirm(self.target, self.owed):
                return False
            self.sink.emit("fault.again", self.step.id, fault=self.step.fault, nodes=_names(self.owed))
            await self.fault.inject(self.target, self.owed)
            seen = await self.fault.confirm(self.target, self.owed)
        except ChaosError as e:
            if last:
                raise FaultError(f"{self.step.id}: gone with the heal of another fault: {e}") from e
            return True
        if last and not seen:
            raise NoBite(f"{self.step.id}: gone with the heal of another fault, and injected again nobody can see it")
        return True


class Company:
    """Steps that share nodes. One change at a time: else one's confirm would see another's heal."""

    def __init__(self) -> None:
        self.changing = asyncio.Lock()
        self.biting: list[Bite] = []  # in the order of injection

    def over(self, bite: Bite, nodes: Sequence[Node]) -> dict[str, set[str]]:
        """By name, those of `nodes` where something came later and bites yet, and what."""
        later = self.biting[self.biting.index(bite) + 1 :] if bite in self.biting else []
        owing = {n.name: {b.step.id for b in later if n in b.owed} for n in nodes}
        return {name: ids for name, ids in owing.items() if ids}

    async def again(self, nodes: Sequence[Node]) -> None:
        """After a heal on `nodes`: whatever else bites there still does, and wherever that had to be injected again."""
        touched, waiting = set(nodes), list(self.biting)
        while waiting:
            bite = waiting.pop(0)
            if bite in self.biting and touched & set(bite.owed):  # it may have begun to leave meanwhile
                last = not any(touched & set(b.owed) for b in waiting)
                if await bite.again(last):
                    touched |= set(bite.owed)


def companies(steps: Sequence[Step], faults: Mapping[str, Fault[Any]]) -> dict[str, Company]:
    """By step id: steps that share a node, or share one with a step that does, keep one company.

    Faults that add up keep to themselves: the target holds each apart, and no other's heal takes it along.
    """
    of_node: dict[str, Company] = {}
    of_step = {step.id: Company() for step in steps}
    for step in steps:
        if getattr(faults[step.id], "adds_up", False):
            continue
        met = {id(of_node[n]): of_node[n] for n in step.nodes if n in of_node}
        own = next(iter(met.values()), None) or Company()
        for places in (of_node, of_step):
            places.update({key: own for key, company in places.items() if id(company) in met})
        of_node |= dict.fromkeys(step.nodes, own)
        of_step[step.id] = own
    return of_step


@asynccontextmanager
async def active(
    step: Step, fault: Fault[Any], nodes: Sequence[Node], target: Target, sink: Sink, company: Company
) -> AsyncIterator[Bite]:
    """A fault that is seen to bite inside the block and is gone after it. Raises NoBite, FaultError."""
    bite = Bite(step, fault, target, sink, company)
    sink.emit("step.intent", step.id, fault=step.fault, nodes=_names(nodes))
    try:
        await bite.inject(nodes)
        yield bite
    finally:
        bite.leave()
        if bite.owed:
            await bite.heal(bite.owed)


async def through(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to its end however often we are cancelled, then let the cancellation out.

    A bare `shield` is not enough: a second Ctrl-C would leave the target hurt.
    """
    task = asyncio.ensure_future(work)
    owed: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as e:
            if not task.cancelled():
                owed = e
        except BaseException:
            break  # the work's own failure: raised below
    task.result()
    if owed:
        raise owed


async def vitals(fault: Fault[Any], target: Target, nodes: Sequence[Node], within: float) -> dict[str, float]:
    """How the nodes are; nothing where nobody can say within so many seconds."""
    try:
        async with asyncio.timeout(within):
            return dict(await fault.vitals(target, nodes))
    except (ChaosError, TimeoutError):
        return {}


async def _figures(fault: Fault[Any], target: Target, nodes: Sequence[Node]) -> dict[str, float]:
    """What it does by now. That nobody can say keeps nobody from healing."""
    try:
        return dict(await fault.figures(target, nodes))
    except ChaosError:
        return {}


def _names(nodes: Sequence[Node]) -> list[str]:
    return [n.name for n in nodes]
