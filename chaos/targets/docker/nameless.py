"""Anonymous volumes of nodes that Compose recreates: it reattaches them by name, and the engine then keeps them
forever.

Therefore each is noted while the engine still knows that it is anonymous: no bind or mount of its container has it as a
source. Its name does not tell, because users may also choose names of 64 hex digits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from chaos.targets.docker.engine import Container, Engine
from chaos.targets.docker.notes import Notes

if TYPE_CHECKING:
    from docker import APIClient

KIND = "nameless"


class Nameless:
    """Removes anonymous volumes of recreated nodes. Methods raise TargetError."""

    def __init__(self, engine: Engine, notes: Notes) -> None:
        self._engine, self._notes = engine, notes

    async def note(self, containers: Iterable[Container]) -> None:
        """Note them before Compose recreates the containers."""
        known = await self._notes.get(KIND)
        with_volumes = [c for c in containers if set(c.volumes) - known.keys()]
        found = await asyncio.gather(*(self._engine.ask(partial(_nameless, c)) for c in with_volumes))
        pairs = [(c, name) for c, names in zip(with_volumes, found, strict=True) for name in names]
        await asyncio.gather(*(self._notes.put(KIND, name, {"of": c.node}) for c, name in pairs))

    async def remove(self, services: Iterable[str], named: Iterable[str]) -> None:
        """Remove those of services whose containers are gone, except for `named`, the volumes named in the stack's file
        by now.
        """
        gone, spared = set(services), set(named)
        noted = {name: facts["of"] for name, facts in (await self._notes.get(KIND)).items()}
        names = [name for name, service in noted.items() if service in gone and name not in spared]
        await self._engine.each(names, lambda api, name: api.remove_volume(name), 404, 409)
        await self._notes.drop(KIND, names)


def _nameless(container: Container, api: APIClient) -> list[str]:
    config: dict[str, Any] = api.inspect_container(container.id)["HostConfig"]
    if config.get("VolumesFrom"):
        return []  # this container does not show whether the other one's volumes have names
    named = {bind.partition(":")[0] for bind in config.get("Binds") or ()}
    named |= {mount.get("Source") for mount in config.get("Mounts") or ()}
    return [name for name in container.volumes if name not in named]
