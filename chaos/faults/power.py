"""Take a node's power: its link goes dark, then its processes are gone; heal gives both back.

Not a kill: a killed process in a host that still stands answers with a reset, a dark host swallows packets, and
clients that only know the first kind of failure wait for their time-outs with the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanPower, Fault, Link


@final
@dataclass(frozen=True)
class Power(Fault[CanPower]):
    needs: ClassVar[type] = CanPower

    async def inject(self, target: CanPower, nodes: Sequence[Node]) -> None:
        await target.cut("power", _dark(nodes))
        await target.kill(nodes)

    async def confirm(self, target: CanPower, nodes: Sequence[Node]) -> bool:
        dark = await asyncio.gather(*map(target.is_cut, _dark(nodes)))
        return all(dark) and not any(await asyncio.gather(*map(target.running, nodes)))

    async def vitals(self, target: CanPower, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("running", target.running, nodes)

    async def heal(self, target: CanPower, nodes: Sequence[Node]) -> None:
        await target.join("power", _dark(nodes))
        await target.start(nodes)


def _dark(nodes: Sequence[Node]) -> list[Link]:
    """One cut a node, so that each can come back on its own."""
    return [Link(frozenset({node.name})) for node in nodes]
