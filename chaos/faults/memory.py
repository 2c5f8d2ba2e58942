"""Leave a node only so much memory: who wants more loses its biggest process; heal takes the limit off.

`limit` is in MiB, for all of the node's processes together. Under compose it is the memory limit of the container's
control group, and the kernel refuses one that is below what the node holds already. In the box a program of ours looks
fifty times a second and ends the biggest process, as the kernel would (chaos/targets/nodelimits.py); it counts
anonymous memory only. `confirm` asks whether the limit is in force, it does not fill the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.errors import BadExperiment
from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanSqueeze, Fault

MIB = 1 << 20


@final
@dataclass(frozen=True)
class Memory(Fault[CanSqueeze]):
    limit: float  # MiB
    needs: ClassVar[type] = CanSqueeze

    def __post_init__(self) -> None:
        if self.limit < 6:
            raise BadExperiment(f"memory.limit: {self.limit:g} MiB is too small to run in; expected 6 or more")

    async def inject(self, target: CanSqueeze, nodes: Sequence[Node]) -> None:
        await target.squeeze(nodes, int(self.limit * MIB))

    async def confirm(self, target: CanSqueeze, nodes: Sequence[Node]) -> bool:
        found = await asyncio.gather(*map(target.squeezed, nodes))
        return all(limit is not None and limit <= self.limit * MIB for limit in found)

    async def still(self, target: CanSqueeze, nodes: Sequence[Node]) -> bool:
        return await self.confirm(target, await _nodes.alive(target, nodes))

    async def vitals(self, target: CanSqueeze, nodes: Sequence[Node]) -> Mapping[str, float]:
        """The least of the limits in force; nothing where no node has one."""
        found = [limit for limit in await asyncio.gather(*map(target.squeezed, nodes)) if limit is not None]
        return {"limit_mib": round(min(found) / MIB, 1)} if found else {}

    async def heal(self, target: CanSqueeze, nodes: Sequence[Node]) -> None:
        await target.release(nodes)
