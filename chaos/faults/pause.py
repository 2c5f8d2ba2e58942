"""Freeze every process of a node: it keeps its sockets open and does not answer; heal lets it continue."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import PAUSE, Pausing


@final
@dataclass(frozen=True)
class Pause(Fault[Pausing]):
    needs = PAUSE

    async def inject(self, on: Pausing, nodes: Sequence[Node]) -> None:
        await on.pause(nodes)

    async def confirm(self, on: Pausing, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(on.paused, nodes)))

    async def vitals(self, on: Pausing, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("frozen", on.paused, nodes)

    async def heal(self, on: Pausing, nodes: Sequence[Node]) -> None:
        await on.resume(nodes)
