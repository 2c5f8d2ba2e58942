"""Shift a node's clock by `skew` seconds (negative: back); heal restarts the node with the correct time.

The node is restarted with libfaketime loaded before its C library (LD_PRELOAD, FAKETIME): the wall clock of programs
that use the C library is wrong, monotonic clocks and time-outs are not. Statically linked programs (Go), and programs
that clear their children's environment, keep the correct time. libfaketime has to be installed on this machine (Debian:
libfaketime; PyPI: libfaketime; or its path in CHAOS_FAKETIME), and under compose also on the engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

from msgspec import Meta

from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import SKEW, Skewing

SLACK = 0.05  # seconds
MOST = 1e9  # seconds, 31 years: dates that every program can still represent


@final
@dataclass(frozen=True)
class Clock(Fault[Skewing]):
    skew: Annotated[float, Meta(ge=-MOST, le=MOST, extra={"unit": "incident s"})]
    needs = SKEW
    hidden_by_death: ClassVar[bool] = True
    ahead: ClassVar[float] = 0.6

    def __post_init__(self) -> None:
        if abs(self.skew) < 1:
            raise BadExperiment(f"clock.skew: {self.skew:g} s is too small to be confirmed; expected 1 s or more")

    async def inject(self, on: Skewing, nodes: Sequence[Node]) -> None:
        await on.skew(nodes, self.skew)

    async def confirm(self, on: Skewing, nodes: Sequence[Node]) -> bool:
        seen = await asyncio.gather(*map(on.clock, nodes))
        return all(abs(off - self.skew) <= unsure + SLACK < abs(self.skew) for off, unsure in seen)

    async def vitals(self, on: Skewing, nodes: Sequence[Node]) -> Mapping[str, float]:
        """Of the node with the largest skew."""
        most: float = max([off for off, _ in await asyncio.gather(*map(on.clock, nodes))], key=abs)
        return {"seconds_off": round(most, 2)}

    async def heal(self, on: Skewing, nodes: Sequence[Node]) -> None:
        await on.unskew(nodes)
