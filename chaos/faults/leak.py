"""Leak memory in a node: `rate` MiB a second until the node holds `limit` MiB and is out of memory.

The leaked memory belongs to the node but to no process of its service, so the service is killed for lack of memory, as
in the memory fault. The limit applies to the node only: the machine is never short of memory. Heal removes leak and
limit, and starts the node if it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

from msgspec import Meta

from chaos.faults import _nodes
from chaos.faults._memory import MIB, MemoryLimit, within_the_machine
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import LEAK, Leaking


@final
@dataclass(frozen=True)
class Leak(Fault[Leaking]):
    limit: MemoryLimit
    rate: Annotated[float, Meta(ge=0.1, extra={"unit": "MiB/s"})] = 10.0  # a slower leak could not be confirmed
    needs = LEAK
    ahead: ClassVar[float] = 0.7

    def __post_init__(self) -> None:
        within_the_machine("leak", self.limit)

    async def inject(self, on: Leaking, nodes: Sequence[Node]) -> None:
        await on.leak(nodes, int(self.rate * MIB), int(self.limit * MIB))

    async def confirm(self, on: Leaking, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(on.leaks, nodes)))

    async def vitals(self, on: Leaking, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("leaking", on.leaks, nodes)

    async def heal(self, on: Leaking, nodes: Sequence[Node]) -> None:
        await on.seal(nodes)
        await on.start(nodes)
