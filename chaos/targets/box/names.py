"""Stops name resolution of nodes in the box, with a note for each and files mounted over its hosts and resolv.conf."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.errors import CannotLook, TargetError
from chaos.targets import lookup
from chaos.targets.box import node_names
from chaos.targets.network import LOOK_UP, answered
from chaos.targets.process import programs
from chaos.targets.process.isolation import UNPRIVILEGED, Namespaces, node_folder
from chaos.targets.procfs import Proc

PATIENCE = 10.0  # seconds


class Names:
    """Hides names from nodes and restores them. Methods raise TargetError.

    `namespaces` is called when it is needed; `environment` gives the environment for the harness's own programs.
    """

    def __init__(self, namespaces: Callable[[], Namespaces], environment: Callable[[], Mapping[str, str]]) -> None:
        self._namespaces_of, self._environment = namespaces, environment

    @property
    def _namespaces(self) -> Namespaces:
        return self._namespaces_of()

    async def hide(self, name: str) -> None:
        """Hide names from a node. The note is written first, so that a heal after a crash knows of everything that was
        done.
        """
        self._note(name).parent.mkdir(parents=True, exist_ok=True)
        self._note(name).touch()
        await self.lay(name)

    async def show(self, name: str) -> None:
        if self.hidden(name):
            await self._mount("show", name)
            self._note(name).unlink(missing_ok=True)

    async def again(self, name: str) -> None:
        """Hide names again from a node that was just started."""
        if self.hidden(name):
            await self.lay(name)

    async def lay(self, name: str) -> None:
        await self._mount("hide", name)

    async def resolves(self, name: str, root: Proc) -> bool:
        """Resolve as the node's own programs would: by its hosts file, else by its name servers. Raises CannotLook."""
        enter = ["nsenter", f"--target={root.pid}", "--net", "--mount", *UNPRIVILEGED]
        files = ("/etc/resolv.conf", "/etc/hosts")
        argv = [*enter, sys.executable, "-I", "-S", lookup.__file__, name, str(LOOK_UP), *files]
        try:
            code, said = await programs.run(argv, self._environment(), PATIENCE, f"{name}: a look-up")
        except TargetError as e:
            raise CannotLook(str(e)) from e
        return answered(name, code, said)

    def hidden(self, name: str) -> bool:
        """Whether names are supposed to be hidden."""
        return self._note(name).exists()

    def _note(self, name: str) -> Path:
        return node_folder(self._namespaces.folder, name) / "nameless"

    async def _mount(self, do: str, name: str) -> None:
        group = self._namespaces.groups().get(name)
        if group is None:  # its mounts ended with it
            return
        folder = self._namespaces.folder / "nameless"
        hosts, resolv = folder / "hosts", folder / "resolv.conf"
        enter = ["nsenter", f"--target={group.root.pid}", "--mount"]
        argv = [*enter, sys.executable, "-I", "-S", node_names.__file__, do, str(hosts), str(resolv)]
        code, out = await programs.run(argv, self._environment(), PATIENCE, f"{name}: {do} names")
        if code:
            raise TargetError(f"{name}: its name resolution could not be changed: {out.strip()[-300:]}")
