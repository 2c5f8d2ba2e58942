"""Set a node's clock off by `skew` seconds (before: negative); heal restarts the node with the right time.

The node is restarted with libfaketime in front of its C library (LD_PRELOAD, FAKETIME): the wall clock of programs
that use the C library is off, monotonic clocks and time-outs are not. Programs that are linked statically (Go), or
that clear their children's environment, keep the right time. libfaketime has to be on this machine (Debian:
libfaketime; PyPI: libfaketime; or its path in CHAOS_FAKETIME), and under compose the engine as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.errors import BadExperiment
from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanSkew, Fault

SLACK = 0.05  # seconds


@final
@dataclass(frozen=True)
class Clock(Fault[CanSkew]):
    skew: float  # seconds
    needs: ClassVar[type] = CanSkew
    ahead: ClassVar[float] = 0.6

    def __post_init__(self) -> None:
        if abs(self.skew) < 1:
            raise BadExperiment(f"clock.skew: {self.skew:g} s is too little to be seen; expected 1 s or more")

    async def inject(self, target: CanSkew, nodes: Sequence[Node]) -> None:
        await target.skew(nodes, self.skew)

    async def confirm(self, target: CanSkew, nodes: Sequence[Node]) -> bool:
        seen = await asyncio.gather(*map(target.clock, nodes))
        return all(abs(off - self.skew) <= unsure + SLACK < abs(self.skew) for off, unsure in seen)

    async def still(self, target: CanSkew, nodes: Sequence[Node]) -> bool:
        return await self.confirm(target, await _nodes.alive(target, nodes))

    async def vitals(self, target: CanSkew, nodes: Sequence[Node]) -> Mapping[str, float]:
        """Of the node that is off the most."""
        most: float = max([off for off, _ in await asyncio.gather(*map(target.clock, nodes))], key=abs)
        return {"seconds_off": round(most, 2)}

    async def heal(self, target: CanSkew, nodes: Sequence[Node]) -> None:
        await target.unskew(nodes)
