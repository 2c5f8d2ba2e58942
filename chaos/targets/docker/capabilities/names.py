"""Name resolution without answers: packets to the engine's resolver are dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaos.model import Node
from chaos.protocols.capabilities import Hiding
from chaos.targets.docker.engines import Per
from chaos.targets.docker.names import Names


class Hide(Hiding):
    """`mode` gives a node's `network_mode`, empty if it has a network of its own."""

    backend = "drop rules for the engine's resolver, in the packet filter of the container's own network"

    def __init__(self, names: Per[Names], mode: Callable[[Node], str]) -> None:
        self._names, self._mode = names, mode

    def unfit(self, node: Node) -> str | None:
        if not (mode := self._mode(node)):
            return None
        return f"network_mode: {mode}, so its look-ups are shared with others; give it a network under `networks:`"

    async def hide_names(self, nodes: Sequence[Node]) -> None:
        for names, mine in self._names.split(nodes):
            await names.hide(mine)

    async def show_names(self, nodes: Sequence[Node]) -> None:
        for names, mine in self._names.split(nodes):
            await names.show(mine)

    async def resolves(self, node: Node) -> bool:
        return await self._names.of(node.name).resolves(node.name)

    async def heal(self) -> None:
        for names in self._names.all():
            await names.show(await names.hidden())

    async def residue(self) -> Sequence[str]:
        hidden = [name for names in self._names.all() for name in await names.hidden()]
        return [f"{name} resolves no names" for name in hidden]
