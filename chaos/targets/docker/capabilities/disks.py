"""Full volumes: a file of zeros on each volume of declared size."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.model import Node
from chaos.protocols.capabilities import Filling
from chaos.targets.docker.disks import Disks
from chaos.targets.docker.engines import Engines, Per


class Fill(Filling):
    backend = "a file of zeros on the container's small tmpfs volumes"

    def __init__(self, engines: Engines, disks: Per[Disks]) -> None:
        self._engines, self._disks = engines, disks

    def unfit(self, node: Node) -> str | None:
        return self._disks.of(node.name).unfit(node.name) or None

    async def fill(self, nodes: Sequence[Node]) -> None:
        for disks, names in self._disks.split(nodes):
            await disks.fill(names)

    async def drain(self, nodes: Sequence[Node]) -> None:
        for disks, names in self._disks.split(nodes):
            await disks.drain(names)

    async def full(self, node: Node) -> bool:
        return await self._disks.of(node.name).full(await self._engines.find(node))

    async def heal(self) -> None:
        for disks in self._disks.all():
            await disks.drain(await disks.filled())

    async def residue(self) -> Sequence[str]:
        filled = [name for disks in self._disks.all() for name in await disks.filled()]
        return [f"{name} has no room on its volumes" for name in filled]
