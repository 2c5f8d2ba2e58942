"""Nodes of the box that find nobody by name: a note of each, and files mounted over those that have the names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.errors import TargetError
from chaos.targets import boxnet, nodenames, programs
from chaos.targets.ground import Ground, node_folder

PATIENCE = 10.0  # seconds


class Names:
    """`environment` is what programs of ours need. Methods raise TargetError."""

    def __init__(self, ground: Ground, environment: Callable[[], Mapping[str, str]]) -> None:
        self._ground, self._environment = ground, environment

    async def hide(self, name: str) -> None:
        """Noted first: whoever heals after our death knows of more than there is, never of less."""
        self._note(name).parent.mkdir(parents=True, exist_ok=True)
        self._note(name).touch()
        await self.lay(name)

    async def show(self, name: str) -> None:
        if self.hidden(name):
            await self._mount("show", name)
            self._note(name).unlink(missing_ok=True)

    async def lay(self, name: str) -> None:
        await self._mount("hide", name)

    def hidden(self, name: str) -> bool:
        """Whether it is meant to be."""
        return self._note(name).exists()

    def _note(self, name: str) -> Path:
        return node_folder(self._ground.folder, name) / "nameless"

    async def _mount(self, do: str, name: str) -> None:
        crew = self._ground.crews().get(name)
        if crew is None:  # its mounts went with it
            return
        folder = self._ground.folder / "nameless"
        folder.mkdir(exist_ok=True)
        hosts, resolv = folder / "hosts", folder / "resolv.conf"
        if not resolv.exists():
            hosts.write_text("127.0.0.1 localhost\n")
            resolv.write_text(f"nameserver {boxnet.NOWHERE}\n")
        enter = ["nsenter", f"--target={crew.root.pid}", "--mount"]
        argv = [*enter, sys.executable, "-I", "-S", nodenames.__file__, do, str(hosts), str(resolv)]
        code, out = await programs.run(argv, self._environment(), PATIENCE, f"{name}: {do} names")
        if code:
            raise TargetError(f"{name}: its names could not be taken or given back: {out.strip()[-300:]}")
