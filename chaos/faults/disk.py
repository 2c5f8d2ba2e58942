"""Fill a node's data folders: every write that needs room fails with "no space left on device"; heal gives it back.

The host's disk is never filled. In the box each volume of a node is a file system of its own, whose size is set to
what it holds already. Under compose only volumes that say their size can be filled (`driver_opts: {type: tmpfs, o:
size=64m}`, docs/guide/stacks.md), with a file of zeros; a plan for other nodes is refused. What the node deletes or
has laid by (a database's log, for one) it can still write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanFill, Fault


@final
@dataclass(frozen=True)
class Disk(Fault[CanFill]):
    needs: ClassVar[type] = CanFill

    async def inject(self, target: CanFill, nodes: Sequence[Node]) -> None:
        await target.fill(nodes)

    async def confirm(self, target: CanFill, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(target.full, nodes)))

    async def still(self, target: CanFill, nodes: Sequence[Node]) -> bool:
        return await self.confirm(target, await _nodes.alive(target, nodes))

    async def vitals(self, target: CanFill, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("full", target.full, nodes)

    async def heal(self, target: CanFill, nodes: Sequence[Node]) -> None:
        await target.drain(nodes)
