"""Full volumes: the size of each is limited to its content."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.errors import CannotLook, TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Filling
from chaos.targets.box import disks
from chaos.targets.process.nodes import Nodes


class Fill(Filling):
    backend = "the size of the volume's own tmpfs, set to what it holds"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def unfit(self, node: Node) -> str | None:
        if self._nodes.services[node.name].volumes:
            return None
        return "it has no volume that can be filled; give it one under `volumes:`, or leave it out"

    async def fill(self, nodes: Sequence[Node]) -> None:
        if why := [f"{n.name}: {words}" for n in nodes if (words := self.unfit(n))]:
            raise TargetError("; ".join(why))
        for node in nodes:
            for place in self._nodes.volumes(node):
                disks.fill(place)

    async def drain(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            for place in self._nodes.volumes(node):
                disks.drain(place)

    async def full(self, node: Node) -> bool:
        root = self._nodes.root(node.name)
        if not self._nodes.volumes(node):
            raise CannotLook(f"{node.name} has no volume that can be filled")
        return all(disks.is_full(place, root) for place in self._nodes.volumes(node))

    async def heal(self) -> None:
        await self.drain(self._nodes.all())

    async def residue(self) -> Sequence[str]:
        small = [n for n in self._nodes.all() if any(map(disks.is_small, self._nodes.volumes(n)))]
        return [f"{n.name} has no room on its volumes" for n in small]
