"""End every process of a node with a signal, as `kill -9` or the kernel's OOM killer would; heal starts it again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.model import Node
from chaos.protocols import CanKill, Fault


@final
@dataclass(frozen=True)
class Kill(Fault[CanKill]):
    signal: Literal["KILL", "TERM", "INT", "QUIT", "ABRT", "SEGV"] = "KILL"
    needs: ClassVar[type] = CanKill

    async def inject(self, target: CanKill, nodes: Sequence[Node]) -> None:
        await target.kill(nodes, self.signal)

    async def confirm(self, target: CanKill, nodes: Sequence[Node]) -> bool:
        return not any(await asyncio.gather(*map(target.running, nodes)))

    async def heal(self, target: CanKill, nodes: Sequence[Node]) -> None:
        await target.start(nodes)
