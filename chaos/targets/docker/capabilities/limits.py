"""Processor and memory limits by the containers' control groups, and a memory leak inside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from chaos.model import Node
from chaos.protocols.capabilities import Leaking, Squeezing, Starving
from chaos.protocols.table import Capability
from chaos.targets.docker.capabilities.ends import Started
from chaos.targets.docker.engines import Engines, Per
from chaos.targets.docker.limits import Kind, Limits
from chaos.targets.docker.nodes import Nodes


class _Limit(Capability):
    kind: ClassVar[Kind]

    def __init__(self, engines: Engines, limits: Per[Limits]) -> None:
        self._engines, self._limits = engines, limits

    async def _want(self, nodes: Sequence[Node], value: object) -> None:
        for limits, names in self._limits.split(nodes):
            await limits.want(self.kind, names, value)

    async def heal(self) -> None:
        for limits in self._limits.all():
            await limits.clear(self.kind)

    async def residue(self) -> Sequence[str]:
        return [words for limits in self._limits.all() for words in await limits.left(self.kind)]


class Cpu(_Limit, Starving):
    kind = "cpu"
    backend = "the container's CPU quota (control group), through the engine"

    async def starve(self, nodes: Sequence[Node], share: float) -> None:
        await self._want(nodes, share)

    async def feed(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, None)

    async def share(self, node: Node) -> float | None:
        return await self._limits.of(node.name).share(await self._engines.find(node))

    async def starved(self, node: Node) -> bool:
        return await self._limits.of(node.name).throttled(await self._engines.find(node))


class Memory(_Limit, Squeezing):
    kind = "memory"
    backend = "the container's memory limit (control group), through the engine"

    async def squeeze(self, nodes: Sequence[Node], limit: int) -> None:
        await self._want(nodes, limit)

    async def release(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, None)

    async def squeezed(self, node: Node) -> int | None:
        return await self._limits.of(node.name).memory_limit(await self._engines.find(node))


class Leak(Started, _Limit, Leaking):
    """The last of the three limits. It also heals and reports noted figures that no limit refers to any more."""

    kind = "leak"
    backend = "a program in the container that takes memory, under the container's memory limit"

    def __init__(self, nodes: Nodes, limits: Per[Limits]) -> None:
        Started.__init__(self, nodes)
        _Limit.__init__(self, nodes.engines, limits)

    async def leak(self, nodes: Sequence[Node], rate: int, limit: int) -> None:
        await self._want(nodes, [rate, limit])

    async def seal(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, None)

    async def leaks(self, node: Node) -> bool:
        return await self._limits.of(node.name).leaks(await self._engines.find(node))

    async def heal(self) -> None:
        await _Limit.heal(self)
        for limits in self._limits.all():
            await limits.clear_figures()

    async def residue(self) -> Sequence[str]:
        odd = [words for limits in self._limits.all() for words in await limits.figures_left()]
        return [*await _Limit.residue(self), *odd]
