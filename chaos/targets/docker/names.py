"""Stops name resolution of containers by dropping their packets to the engine's resolver in their own network.

A helper container enters these networks for a moment. The rules it leaves there disappear with the container, and are
set again when it is started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from chaos.errors import CannotLook, TargetError
from chaos.targets import lookup
from chaos.targets.docker import networks
from chaos.targets.docker.engine import Engine
from chaos.targets.docker.notes import Notes
from chaos.targets.network import LOOK_UP, answered

KIND = "dns"
RESOLVER = "127.0.0.11"  # address of the engine's resolver inside each container
_HIDE = f"""
from helper import nft
nft.apply([{{"a": ["{RESOLVER}"], "b": None, "both": True, "do": "drop"}}], "chaos_names")
"""
_SHOW = 'from helper import nft; nft.clear("chaos_names")'
_LOOK = ("{name}", str(LOOK_UP), "{place}/resolv.conf")


class Names:
    """Hides names from nodes and restores them. Methods raise TargetError."""

    def __init__(self, engine: Engine, notes: Notes) -> None:
        self._engine, self._notes = engine, notes
        self._asked: set[str] = set()
        self._next_look: asyncio.Task[Mapping[str, tuple[int, str]]] | None = None

    async def hide(self, names: Iterable[str]) -> None:
        """Hide names. The notes are written first, so that a heal after a crash knows of everything that was done."""
        names = list(names)
        await asyncio.gather(*(self._notes.put(KIND, name, {}) for name in names))
        await self.lay(names)

    async def show(self, names: Iterable[str]) -> None:
        names = [name for name in await self.hidden() if name in set(names)]
        await self._each(names, _SHOW)
        await self._notes.drop(KIND, names)

    async def lay(self, names: Iterable[str]) -> None:
        hidden = await self.hidden()
        await self._each([name for name in names if name in hidden], _HIDE)

    async def hidden(self) -> list[str]:
        """The nodes whose names are supposed to be hidden."""
        return sorted(await self._notes.get(KIND))

    async def resolves(self, name: str) -> bool:
        """Whether the node's name servers answer; the hosts file does not count, because it contains the node itself.

        Concurrent calls share one check. Raises CannotLook.
        """
        self._asked.add(name)
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._looked())
        try:
            found = await asyncio.shield(self._next_look)
        except TargetError as e:
            raise CannotLook(str(e)) from e
        if name not in found:
            raise CannotLook(f"{name} is not running")
        return answered(name, *found[name])

    async def _looked(self) -> Mapping[str, tuple[int, str]]:
        await asyncio.sleep(0)
        asked, self._asked, self._next_look = self._asked, set(), None
        return await self._within(asked, Path(lookup.__file__).read_text(encoding="utf-8"), _LOOK)

    async def _each(self, names: list[str], program: str) -> None:
        for name, (code, said) in (await self._within(names, program, (), "NET_ADMIN")).items() if names else ():
            if code:
                raise TargetError(f"{name}: its name resolution could not be changed: {said.strip()[-300:]}")

    async def _within(
        self, names: Iterable[str], program: str, argv: Iterable[str], *capabilities: str
    ) -> Mapping[str, tuple[int, str]]:
        found = await self._engine.containers()
        alive = [found[name] for name in sorted(names) if name in found and found[name].alive]
        return await networks.within(self._engine, alive, program, tuple(argv), *capabilities)
