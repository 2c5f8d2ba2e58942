"""Fill a node's data folders: every write that needs space fails with "no space left on device"; heal frees it.

The host's disk is never filled. In the box each volume of a node is a file system of its own, whose size is set to its
current content. Under compose only volumes of declared size can be filled (`driver_opts: {type: tmpfs, o: size=64m}`,
docs/guide/stacks.md), with a file of zeros; a plan for other nodes is refused. Space that the node frees, or has
reserved (a database's log, for example), can still be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import FILL, Filling


@final
@dataclass(frozen=True)
class Disk(Fault[Filling]):
    needs = FILL
    hidden_by_death: ClassVar[bool] = True

    async def inject(self, on: Filling, nodes: Sequence[Node]) -> None:
        await on.fill(nodes)

    async def confirm(self, on: Filling, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(on.full, nodes)))

    async def vitals(self, on: Filling, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("full", on.full, nodes)

    async def heal(self, on: Filling, nodes: Sequence[Node]) -> None:
        await on.drain(nodes)
