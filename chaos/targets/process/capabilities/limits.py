"""Processor and memory limits, and a memory leak, enforced by a limiter in the node's pid namespace."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import ClassVar

from chaos.model import Node
from chaos.protocols.capabilities import Leaking, Squeezing, Starving
from chaos.protocols.table import Capability
from chaos.targets.box.limits import WORDS, Kind, Limits
from chaos.targets.process.capabilities.ends import Started
from chaos.targets.process.nodes import Nodes

SPIN = ("timeout", "0.5", "sh", "-c", "while :; do :; done")  # uses a whole core


class _Limit(Capability):
    kind: ClassVar[Kind]

    def __init__(self, nodes: Nodes, limits: Limits) -> None:
        self._nodes, self._limits = nodes, limits

    async def _want(self, nodes: Sequence[Node], value: object) -> None:
        for node in nodes:
            await self._limits.want(node.name, self.kind, value)

    def _limited(self) -> Sequence[Node]:
        return [n for n in self._nodes.all() if self.kind in self._limits.wanted(n.name)]

    async def heal(self) -> None:
        await self._want(self._limited(), None)

    async def residue(self) -> Sequence[str]:
        return [f"{node.name} {WORDS[self.kind]}" for node in self._limited()]


class Cpu(_Limit, Starving):
    kind = "cpu"
    backend = "a limiter in the node's pid namespace: SIGSTOP for the rest of each 100 ms, its share spent"

    async def starve(self, nodes: Sequence[Node], share: float) -> None:
        await self._want(nodes, share)

    async def feed(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, None)

    async def share(self, node: Node) -> float | None:
        return self._limits.share(node.name)

    async def starved(self, node: Node) -> bool:
        if not await self._nodes.running(node):
            return False
        spinning = asyncio.create_task(self._nodes.exec(node, SPIN))
        await asyncio.sleep(0.1)
        try:
            return await self._limits.starved(node.name)
        finally:
            await spinning


class Memory(_Limit, Squeezing):
    kind = "memory"
    backend = "a limiter in the node's pid namespace: SIGKILL to the biggest process above the limit"

    async def squeeze(self, nodes: Sequence[Node], limit: int) -> None:
        await self._want(nodes, limit)

    async def release(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, None)

    async def squeezed(self, node: Node) -> int | None:
        return self._limits.memory_limit(node.name)


class Leak(Started, _Limit, Leaking):
    kind = "leak"
    backend = "a limiter in the node's pid namespace that takes memory, SIGKILL to the biggest process"

    def __init__(self, nodes: Nodes, limits: Limits) -> None:
        _Limit.__init__(self, nodes, limits)

    async def leak(self, nodes: Sequence[Node], rate: int, limit: int) -> None:
        await self._want(nodes, [rate, limit])

    async def seal(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, None)

    async def leaks(self, node: Node) -> bool:
        wanted = self._limits.wanted(node.name).get("leak")
        if wanted is None:
            return False
        before = self._limits.leaked(node.name)
        await asyncio.sleep(0.3)
        if await self._nodes.running(node):
            return self._limits.leaked(node.name) > before or before >= wanted[1]
        return self._nodes.exit_code(node.name) == 128 + signal.SIGKILL
