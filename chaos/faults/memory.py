"""Limit a node's memory: if it uses more, its biggest process is killed; heal removes the limit.

`limit` is in MiB, for all of the node's processes together. Under compose it is the memory limit of the container's
control group, and the kernel refuses one that is below the node's current use. In the box a program of the harness
checks fifty times a second and kills the biggest process, as the kernel would (chaos/targets/box/limiter.py); it counts
anonymous memory only. `confirm` checks that the limit is set; it does not fill the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults._memory import MIB, MemoryLimit, within_the_machine
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import SQUEEZE, Squeezing


@final
@dataclass(frozen=True)
class Memory(Fault[Squeezing]):
    limit: MemoryLimit
    needs = SQUEEZE
    hidden_by_death: ClassVar[bool] = True

    def __post_init__(self) -> None:
        within_the_machine("memory", self.limit)

    async def inject(self, on: Squeezing, nodes: Sequence[Node]) -> None:
        await on.squeeze(nodes, int(self.limit * MIB))

    async def confirm(self, on: Squeezing, nodes: Sequence[Node]) -> bool:
        found = await asyncio.gather(*map(on.squeezed, nodes))
        return all(limit is not None and limit <= self.limit * MIB for limit in found)

    async def vitals(self, on: Squeezing, nodes: Sequence[Node]) -> Mapping[str, float]:
        """The lowest limit in force; empty if no node has one."""
        found = [limit for limit in await asyncio.gather(*map(on.squeezed, nodes)) if limit is not None]
        return {"limit_mib": round(min(found) / MIB, 1)} if found else {}

    async def heal(self, on: Squeezing, nodes: Sequence[Node]) -> None:
        await on.release(nodes)
