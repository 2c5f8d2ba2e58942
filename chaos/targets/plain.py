"""Nodes without namespaces: plain processes on loopback addresses, for machines that refuse a box."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from chaos.targets import box, census, surroundings, warden
from chaos.targets.census import Crew, Crews, Proc
from chaos.targets.control import Control
from chaos.targets.ground import ENTRY, exit_file, node_folder

NOBODY = 65534


class Plain:
    """A node is what descends from its warden. Names do not resolve, so they are replaced by addresses."""

    names_resolve: ClassVar[bool] = False

    def __init__(self) -> None:
        self._keeper: box.Box | None = None
        self._unprivileged = _unprivileged()
        if os.environ.get("CHAOS_BOX_KIND") == "plain":
            self.folder = Path(os.environ["CHAOS_BOX"])
            self.control = Control.inherited()
        else:  # run straight on the host, as tests do
            self._keeper = box.Box.make("plain")
            self.folder, self.control = self._keeper.folder, self._keeper.control

    def prepare(self, addresses: Mapping[str, str]) -> None:
        (self.folder / "hosts").write_text(surroundings.hosts(addresses))
        self.folder.chmod(0o755)

    def address(self, address: str) -> str:
        return surroundings.loopback(address)

    def give(self, place: Path) -> None:
        if self._unprivileged:
            os.chown(place, NOBODY, NOBODY)

    def own_volume(self, place: Path) -> None:
        pass  # all are on the host's disk

    def drop_volumes(self) -> None:
        pass

    def root_argv(self, name: str, cwd: Path, argv: Sequence[str], ours: bool = False) -> list[str]:
        keeper = (self.folder / "keeper").read_text()
        files = (str(self._root_file(name)), str(exit_file(self.folder, name)))
        become = [] if ours else self._unprivileged
        return [*become, sys.executable, "-I", "-S", warden.__file__, keeper, *files, str(cwd), *argv]

    def exec_argv(self, root: Proc, cwd: Path, argv: Sequence[str]) -> list[str]:
        return [*self._unprivileged, "sh", "-c", ENTRY, "sh", str(cwd), *argv]

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


def _unprivileged() -> list[str]:
    """What makes a node an ordinary user's where we are root, as databases ask for.

    Nothing where that user could not read our Python or the stack: then nodes run as root, and say so if they mind.
    """
    if os.geteuid() != 0:
        return []
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
    # Through a shell: setpriv itself still has root's rights while it looks for the program.
    look = [*become, "sh", "-c", 'exec "$0" -c "import os; os.listdir()"', sys.executable]
    try:
        able = subprocess.run(look, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return []
    return become if able else []
