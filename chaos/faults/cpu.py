"""Starve a node of processor: all its processes together get a `share` of one core; heal gives them all back.

`share` is above 0 and at most 1: 0.1 or 10%. Under compose the kernel's own bandwidth control of the container does
it, in the box a program of ours that stops the node's processes for the rest of each tenth of a second once they have
spent their share (chaos/targets/nodelimits.py). Either way a node that wants less than its share notices nothing:
so `confirm` wants more in it, for less than half a second, unless it does so by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.errors import BadExperiment
from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanStarve, Fault


@final
@dataclass(frozen=True)
class Cpu(Fault[CanStarve]):
    share: float
    needs: ClassVar[type] = CanStarve
    ahead: ClassVar[float] = 0.9

    def __post_init__(self) -> None:
        if not 0.01 <= self.share <= 1:
            raise BadExperiment(f"cpu.share: {self.share:g} is not from 0.01 to 1; expected something like 10%")

    async def inject(self, target: CanStarve, nodes: Sequence[Node]) -> None:
        await target.starve(nodes, self.share)

    async def confirm(self, target: CanStarve, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(target.starved, nodes)))

    async def still(self, target: CanStarve, nodes: Sequence[Node]) -> bool:
        return await self.confirm(target, await _nodes.alive(target, nodes))

    async def heal(self, target: CanStarve, nodes: Sequence[Node]) -> None:
        await target.feed(nodes)
