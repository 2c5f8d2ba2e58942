"""Freeze every process of a node: it holds its sockets and answers nobody; heal lets it run on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanPause, Fault


@final
@dataclass(frozen=True)
class Pause(Fault[CanPause]):
    needs: ClassVar[type] = CanPause

    async def inject(self, target: CanPause, nodes: Sequence[Node]) -> None:
        await target.pause(nodes)

    async def confirm(self, target: CanPause, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(target.paused, nodes)))

    async def vitals(self, target: CanPause, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("frozen", target.paused, nodes)

    async def heal(self, target: CanPause, nodes: Sequence[Node]) -> None:
        await target.resume(nodes)
