"""Containers that find nobody by name: their packets to the engine's resolver are dropped in their own network.

A helper container enters that network for a moment; what it leaves there goes with the container, and is laid on
again by whoever starts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from chaos.targets.compose_engine import Container, Engine
from chaos.targets.compose_enter import enter
from chaos.targets.compose_notes import Notes

KIND = "dns"
RESOLVER = "127.0.0.11"  # where the engine answers look-ups inside each container
_HIDE = f"""
from helper import nft
nft.apply([{{"a": ["{RESOLVER}"], "b": None, "both": True, "do": "drop"}}], "chaos_names")
"""
_SHOW = 'from helper import nft; nft.clear("chaos_names")'


class Names:
    """Methods raise TargetError."""

    def __init__(self, engine: Engine, notes: Notes) -> None:
        self._engine, self._notes = engine, notes

    async def hide(self, names: Iterable[str]) -> None:
        """Noted first: whoever heals after our death knows of more than there is, never of less."""
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
        """Who is meant to be."""
        return sorted(await self._notes.get(KIND))

    async def _each(self, names: list[str], program: str) -> None:
        if names:
            found = await self._engine.containers()
            alive = [found[name] for name in names if name in found and found[name].alive]
            await asyncio.gather(*(self._enter(container, program) for container in alive))

    async def _enter(self, container: Container, program: str) -> None:
        network = f"container:{container.id}"
        await enter(self._engine, container, ["python3", "-c", program], "NET_ADMIN", network_mode=network)
