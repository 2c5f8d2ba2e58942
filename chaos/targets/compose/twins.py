"""Nodes with two containers, or in the middle of being recreated: Compose was killed, or somebody made a second one."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.errors import NotOurs
from chaos.targets.docker.engine import Container, Engine
from chaos.targets.docker.nodes import Nodes
from chaos.targets.docker.notes import Notes

ANEW = "anew"  # kind of note: Compose is recreating the node


class Twins:
    """Detects and resolves duplicate containers. Methods raise TargetError."""

    def __init__(self, engine: Engine, nodes: Nodes) -> None:
        self._engine, self._nodes, self._notes = engine, nodes, Notes(engine)

    async def end(self) -> None:
        """Remove containers that Compose had set aside when it was killed while recreating a node."""
        for group in (await self._engine.groups()).values():
            await self._engine.remove(_set_aside(group))

    async def end_stops(self) -> None:
        """Cancel pending stops. A Compose that was killed while it recreated a node may have asked the engine to stop
        it.

        The engine does so seconds later, unless the node has been killed and started again in the meantime.
        """
        noted = await self._notes.get(ANEW)
        nodes = [node for node, _ in await self._nodes.engines.standing() if node.name in noted]
        await self._nodes.kill(nodes, "KILL")
        await self._nodes.start(nodes)
        await self._notes.drop(ANEW, noted)

    async def refuse(self) -> None:
        """Raises NotOurs for a node with two containers: a fault or measurement would only affect one of them."""
        told = {c.id for group in (await self._engine.groups()).values() for c in _set_aside(group)}
        if twins := [words for c, words in await self._found() if c.id not in told]:
            raise NotOurs(
                f"{'; '.join(twins)}. It is unknown which of them is the node: remove one (docker rm -f), or end the "
                "stack (`chaos down`) and start it again"
            )

    async def residue(self) -> Sequence[str]:
        noted = sorted(await self._notes.get(ANEW))
        return [*(words for _, words in await self._found()), *(f"{name} was being recreated" for name in noted)]

    async def _found(self) -> Sequence[tuple[Container, str]]:
        """Second containers of nodes that have one of ours, with a description."""
        ours = await self._engine.groups()
        return [
            *((c, f"{name} has a second container, {c.name}") for name, group in ours.items() for c in group[1:]),
            *(
                (c, f"{c.node} has a container that chaos did not start, {c.name}")
                for c in await self._engine.others()
                if c.node in ours
            ),
        ]


def _set_aside(group: Sequence[Container]) -> Sequence[Container]:
    """The containers of a node that are certainly not the node itself."""
    return group[1:] if [c.set_aside for c in group] == [False] + [True] * (len(group) - 1) else ()
