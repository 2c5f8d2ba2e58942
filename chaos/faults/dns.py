"""No name resolves in a node: whoever asks for one waits and gets no answer; heal brings the names back.

Connections that stand, and addresses that programs remember, go on working. Under compose the node's packets to the
engine's resolver are dropped, in the box the node gets an empty hosts file and a name server that swallows what it is
asked. `confirm` looks the node's own name up in it, which takes seconds when it bites.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanForgetNames, Fault


@final
@dataclass(frozen=True)
class Dns(Fault[CanForgetNames]):
    needs: ClassVar[type] = CanForgetNames
    ahead: ClassVar[float] = 3.2

    async def inject(self, target: CanForgetNames, nodes: Sequence[Node]) -> None:
        await target.hide_names(nodes)

    async def confirm(self, target: CanForgetNames, nodes: Sequence[Node]) -> bool:
        return not any(await asyncio.gather(*map(target.resolves, nodes)))

    async def still(self, target: CanForgetNames, nodes: Sequence[Node]) -> bool:
        return await self.confirm(target, await _nodes.alive(target, nodes))

    async def vitals(self, target: CanForgetNames, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("resolving", target.resolves, nodes)

    async def heal(self, target: CanForgetNames, nodes: Sequence[Node]) -> None:
        await target.show_names(nodes)
