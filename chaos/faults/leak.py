"""Let memory leak away in a node: `rate` MiB a second until the node holds `limit` MiB; then it is out of memory.

What leaks belongs to the node and to no process of its service, so it is the service that is ended for want of it, as
in the memory fault. The limit is the node's alone: the machine is never short. Heal takes leak and limit off, and
starts the node if it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.errors import BadExperiment
from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanLeak, Fault

MIB = 1 << 20


@final
@dataclass(frozen=True)
class Leak(Fault[CanLeak]):
    limit: float  # MiB
    rate: float = 10.0  # MiB a second
    needs: ClassVar[type] = CanLeak
    ahead: ClassVar[float] = 0.7

    def __post_init__(self) -> None:
        if self.limit < 6 or self.rate <= 0:
            found = f"{self.rate:g} MiB a second up to {self.limit:g} MiB"
            raise BadExperiment(f"leak: {found}; expected a rate above 0 and a limit of 6 or more")

    async def inject(self, target: CanLeak, nodes: Sequence[Node]) -> None:
        await target.leak(nodes, int(self.rate * MIB), int(self.limit * MIB))

    async def confirm(self, target: CanLeak, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(target.leaks, nodes)))

    async def vitals(self, target: CanLeak, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("leaking", target.leaks, nodes)

    async def heal(self, target: CanLeak, nodes: Sequence[Node]) -> None:
        await target.seal(nodes)
        await target.start(nodes)
