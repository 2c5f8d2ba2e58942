"""inject → confirm → (the fault bites) → heal, and heal happens no matter what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from chaos.errors import ChaosError, FaultError, NoBite
from chaos.model import Node
from chaos.plan import Step
from chaos.protocols import Fault, Sink, Target

HEAL_SECONDS = 30.0


@dataclass
class Bite:
    """A fault in force on `owed`; whatever is still owed at the end is healed by `active`."""

    step: Step
    fault: Fault[Any]
    target: Target
    sink: Sink
    owed: list[Node] = field(default_factory=list)

    async def heal(self, nodes: Sequence[Node], unit: int = 0) -> None:
        """Take the fault off `nodes`, whoever cancels us meanwhile."""
        await through(self._heal(nodes, unit))

    async def _heal(self, nodes: Sequence[Node], unit: int) -> None:
        if nodes:
            try:
                async with asyncio.timeout(HEAL_SECONDS):
                    await self.fault.heal(self.target, nodes)
            except (ChaosError, TimeoutError) as e:
                words = str(e) or f"not healed within {HEAL_SECONDS:.0f} s"
                self.sink.emit("fault.error", self.step.id, nodes=_names(nodes), error=words)
                raise FaultError(f"{self.step.id}: {words}") from e
        self.owed = [n for n in self.owed if n not in nodes]
        extra = {"unit": unit} if unit else {}
        self.sink.emit("fault.heal", self.step.id, nodes=_names(nodes), **extra)


@asynccontextmanager
async def active(
    step: Step, fault: Fault[Any], nodes: Sequence[Node], target: Target, sink: Sink
) -> AsyncIterator[Bite]:
    """A fault that is seen to bite inside the block and is gone after it. Raises NoBite, FaultError."""
    bite = Bite(step, fault, target, sink, list(nodes))
    sink.emit("step.intent", step.id, fault=step.fault, nodes=_names(nodes))
    try:
        sink.emit("fault.inject", step.id, fault=step.fault, nodes=_names(nodes))
        await fault.inject(target, nodes)
        if not await fault.confirm(target, nodes):
            sink.emit("fault.error", step.id, nodes=_names(nodes), error="injected, but nobody can see it")
            raise NoBite(f"{step.id}: {step.fault} was injected, but {target.name} shows no sign of it")
        sink.emit("fault.active", step.id, fault=step.fault, nodes=_names(nodes))
        yield bite
    finally:
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


def _names(nodes: Sequence[Node]) -> list[str]:
    return [n.name for n in nodes]
