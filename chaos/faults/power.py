"""Cut a node's power: its links go down, then its processes are killed; heal restores both.

This differs from a kill: after a kill the host still answers with a reset, while a host without power drops packets
silently. Clients that only expect the first kind of failure wait for their time-outs in the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import POWER, Powering


@final
@dataclass(frozen=True)
class Power(Fault[Powering]):
    needs = POWER

    async def inject(self, on: Powering, nodes: Sequence[Node]) -> None:
        await on.off(nodes)

    async def confirm(self, on: Powering, nodes: Sequence[Node]) -> bool:
        dark = await asyncio.gather(*map(on.dark, nodes))
        return all(dark) and not any(await asyncio.gather(*map(on.running, nodes)))

    async def already(self, on: Powering, nodes: Sequence[Node]) -> bool:
        """Whether one half of the fault is there already; that the nodes run is checked separately."""
        return any(await asyncio.gather(*map(on.dark, nodes)))

    async def vitals(self, on: Powering, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("running", on.running, nodes)

    async def heal(self, on: Powering, nodes: Sequence[Node]) -> None:
        await on.on(nodes)
