"""Name resolution without answers."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.errors import CannotLook
from chaos.model import Node
from chaos.protocols.capabilities import Hiding
from chaos.targets.box.names import Names
from chaos.targets.process.nodes import Nodes


class Hide(Hiding):
    backend = "an empty hosts file and a name server that swallows look-ups, mounted over the node's own"

    def __init__(self, nodes: Nodes, names: Names) -> None:
        self._nodes, self._names = nodes, names

    async def hide_names(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await self._names.hide(node.name)

    async def show_names(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await self._names.show(node.name)

    async def resolves(self, node: Node) -> bool:
        if (root := self._nodes.root(node.name)) is None:
            raise CannotLook(f"{node.name} is not running")
        return await self._names.resolves(node.name, root)

    async def heal(self) -> None:
        await self.show_names(self._nodes.all())

    async def residue(self) -> Sequence[str]:
        return [f"{n.name} resolves no names" for n in self._nodes.all() if self._names.hidden(n.name)]
