"""Pause: the container's freezer."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Pausing
from chaos.targets.docker.engines import Engines


class Pause(Pausing):
    backend = "the container's freezer, through the engine (docker pause)"

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def pause(self, nodes: Sequence[Node]) -> None:
        containers = await self._engines.those(nodes)
        if dead := [c.node for c in containers if not c.alive]:
            raise TargetError(f"{', '.join(dead)}: not running; see `chaos status`")
        await self._engines.touch(nodes)
        awake = [c for c in containers if c.state != "paused"]
        await self._engines.each(awake, lambda api, id_: api.pause(id_))

    async def resume(self, nodes: Sequence[Node]) -> None:
        frozen = [c for c in await self._engines.those(nodes) if c.state == "paused"]
        await self._engines.each(frozen, lambda api, id_: api.unpause(id_), 409)  # 409: it was killed in the meantime

    async def paused(self, node: Node) -> bool:
        return (await self._engines.find(node)).state == "paused"

    async def heal(self) -> None:
        await self.resume(await self._frozen())

    async def residue(self) -> Sequence[str]:
        return [f"{node.name} is paused" for node in await self._frozen()]

    async def _frozen(self) -> Sequence[Node]:
        return [n for n, c in await self._engines.standing() if c.state == "paused"]
