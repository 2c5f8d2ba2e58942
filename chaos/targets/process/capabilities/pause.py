"""Pause: all processes of a node are stopped."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Pausing
from chaos.targets import procfs
from chaos.targets.box.limits import Limits
from chaos.targets.process.nodes import Nodes


class Pause(Pausing):
    """The node's limiter, which stops and continues processes, is suspended during a pause."""

    backend = "SIGSTOP to every process of the node"

    def __init__(self, nodes: Nodes, limits: Limits) -> None:
        self._nodes, self._limits = nodes, limits

    async def pause(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await self._limits.hold(node.name)
        if dead := [n.name for n in nodes if self._nodes.root(n.name) is None]:
            raise TargetError(f"{', '.join(dead)}: not running, so there is nothing to pause")
        await procfs.settle(lambda: self._nodes.members(nodes), stopped=True)

    async def resume(self, nodes: Sequence[Node]) -> None:
        await procfs.settle(lambda: self._nodes.members(nodes), stopped=False)
        for node in nodes:
            self._limits.let_go(node.name)

    async def paused(self, node: Node) -> bool:
        group = self._nodes.namespaces.groups().get(node.name)
        return group is not None and self._limits.paused(node.name, group)

    async def heal(self) -> None:
        await self.resume(self._nodes.known())

    async def residue(self) -> Sequence[str]:
        groups = self._nodes.namespaces.groups()
        known = [n.name for n in self._nodes.known() if n.name in groups]
        return [f"{name} is paused" for name in known if self._limits.paused(name, groups[name])]
