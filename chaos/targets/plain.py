"""Nodes without namespaces: plain processes on loopback addresses, for machines that refuse a box."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from chaos.targets import box, census, surroundings, warden
from chaos.targets.census import Crew, Crews, Proc
from chaos.targets.control import Control
from chaos.targets.ground import ENTRY, exit_file, node_folder


class Plain:
    """A node is what descends from its warden. Names do not resolve, so they are replaced by addresses."""

    names_resolve: ClassVar[bool] = False

    def __init__(self) -> None:
        self._keeper: box.Box | None = None
        if os.environ.get("CHAOS_BOX_KIND") == "plain":
            self.folder = Path(os.environ["CHAOS_BOX"])
            self.control = Control.inherited()
        else:  # run straight on the host, as tests do
            self._keeper = box.Box.make("plain")
            self.folder, self.control = self._keeper.folder, self._keeper.control

    def prepare(self, addresses: Mapping[str, str]) -> None:
        (self.folder / "hosts").write_text(surroundings.hosts(addresses))

    def address(self, address: str) -> str:
        return surroundings.loopback(address)

    def root_argv(self, name: str, cwd: Path, argv: Sequence[str]) -> list[str]:
        keeper = (self.folder / "keeper").read_text()
        files = (str(self._root_file(name)), str(exit_file(self.folder, name)))
        return [sys.executable, "-I", "-S", warden.__file__, keeper, *files, str(cwd), *argv]

    def exec_argv(self, root: Proc, cwd: Path, argv: Sequence[str]) -> list[str]:
        return ["sh", "-c", ENTRY, "sh", str(cwd), *argv]

    def crews(self) -> Crews:
        procs = census.everyone()
        found = {}
        for place in (self.folder / "nodes").glob("*/root"):
            pid, started = map(int, place.read_text().split())
            root = procs.get(pid)
            if root and root.started == started:
                found[place.parent.name] = Crew(root, tuple(census.below(pid, procs)))
        return found

    def end(self, crew: Crew) -> None:
        census.send([crew.root], signal.SIGTERM)  # a warden ends what is below it, and then itself

    def close(self) -> None:
        if self._keeper:
            self._keeper.close()
            self._keeper = None

    def _root_file(self, name: str) -> Path:
        return node_folder(self.folder, name) / "root"
