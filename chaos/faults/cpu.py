"""Limit a node's processor time: all its processes together get a `share` of one core; heal removes the limit.

`share` is above 0 and at most 1: 0.1 or 10%. Under compose the limit is the kernel's bandwidth control for the
container. In the box a program of the harness stops the node's processes for the rest of each tenth of a second once
they have used their share (chaos/targets/box/limiter.py). In both cases a node that needs less than its share is not
affected. `confirm` therefore generates load in the node for less than half a second, unless the node uses enough
itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

from msgspec import Meta

from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import STARVE, Starving

ROUNDING = 1e-4  # of a core


@final
@dataclass(frozen=True)
class Cpu(Fault[Starving]):
    share: Annotated[float, Meta(ge=0.01, le=1, extra={"unit": "share"})]  # of a core; the kernel counts hundredths
    needs = STARVE
    hidden_by_death: ClassVar[bool] = True
    ahead: ClassVar[float] = 0.9

    async def inject(self, on: Starving, nodes: Sequence[Node]) -> None:
        await on.starve(nodes, self.share)

    async def confirm(self, on: Starving, nodes: Sequence[Node]) -> bool:
        """Confirm the limit. If there is none, no load is generated, so that a check beforehand costs nothing."""
        shares = await asyncio.gather(*map(on.share, nodes))
        if any(share is None or share > self.share + ROUNDING for share in shares):
            return False
        return all(await asyncio.gather(*map(on.starved, nodes)))

    async def heal(self, on: Starving, nodes: Sequence[Node]) -> None:
        await on.feed(nodes)
