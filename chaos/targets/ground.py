"""What nodes stand on: the box, where the kernel keeps them apart, or plain processes where it may not (plain.py)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from chaos.targets import boxed_disks, boxnet, census, surroundings
from chaos.targets.census import Crew, Crews, Proc
from chaos.targets.control import Control

# Drop everything that could reach out of the node again.
UNPRIVILEGED = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")
# The node's first process: says that it is there, runs the command, leaves its exit code. dash and bash both reap
# whatever is orphaned while they wait; when this one dies the kernel ends the node. Its stderr is the node's only
# from here on: unshare has things to say about its child's death that the node did not say.
INIT = (
    'exec 2>&1; cd "$1" || exit 126; kept=$2; shift 2; echo >&3; exec 3>&-; '
    '"$@"; code=$?; echo $code >"$kept"; exit $code'
)
ENTRY = 'cd "$1" || exit 126; shift; exec "$@"'


class Ground(Protocol):
    names_resolve: ClassVar[bool]  # whether programs find each other by name
    folder: Path  # on the box's own file system: it vanishes with the box
    control: Control

    def prepare(self, addresses: Mapping[str, str]) -> None: ...  # idempotent; blocks; addresses by node name
    def address(self, address: str) -> str: ...  # where a node of this address listens
    def give(self, place: Path) -> None: ...  # make a folder one that nodes may write to
    def own_volume(self, place: Path) -> None: ...  # make a folder a file system of its own, where that can be
    def drop_volumes(self) -> None: ...  # before the folders are removed
    def root_argv(self, name: str, cwd: Path, argv: Sequence[str], ours: bool = False) -> list[str]:
        """What starts a node's root. A program of `ours` may write where we may."""

    def exec_argv(self, root: Proc, cwd: Path, argv: Sequence[str]) -> list[str]: ...  # joins a node
    def crews(self) -> Crews: ...  # asked of the kernel
    def end(self, crew: Crew) -> None: ...  # at once, all of it
    def close(self) -> None: ...  # end the ground itself if it is ours alone


class Namespaces:
    """Inside the box: a node is a network, pid, mount and IPC namespace."""

    names_resolve: ClassVar[bool] = True

    def __init__(self) -> None:
        self.folder = Path(os.environ["CHAOS_BOX"])
        self.control = Control.inherited()
        self._networks = self.folder / "net"
        self._own_pids = os.stat("/proc/self/ns/pid").st_ino

    def prepare(self, addresses: Mapping[str, str]) -> None:
        names, place = surroundings.hosts(addresses), Path("/etc/hosts")
        if place.read_text() != names:  # nodes that run must never find it empty
            place.write_text(names)
        boxnet.build(self._networks, addresses)

    def address(self, address: str) -> str:
        return address

    def give(self, place: Path) -> None:
        pass  # in the box everybody is the same user

    def own_volume(self, place: Path) -> None:
        boxed_disks.make(place)

    def drop_volumes(self) -> None:
        boxed_disks.remove_below(self.folder / "nodes")

    def root_argv(self, name: str, cwd: Path, argv: Sequence[str], ours: bool = False) -> list[str]:
        return [
            "nsenter", f"--net={self._networks / name}",
            "unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc",
            *UNPRIVILEGED, "sh", "-c", INIT, name, str(cwd), str(exit_file(self.folder, name)), *argv,
        ]  # fmt: skip

    def exec_argv(self, root: Proc, cwd: Path, argv: Sequence[str]) -> list[str]:
        enter = ["nsenter", f"--target={root.pid}", "--net", "--mount", "--pid", "--ipc"]
        return [*enter, *UNPRIVILEGED, "sh", "-c", ENTRY, "sh", str(cwd), *argv]

    def crews(self) -> Crews:
        """A process belongs to the node whose network it is in, unless it only waits for it from outside."""
        networks = {}
        for place in self._networks.iterdir() if self._networks.exists() else ():
            networks[place.stat().st_ino] = place.name
        found: dict[str, list[Proc]] = {}
        for proc in census.everyone().values():
            try:
                name = networks.get(os.stat(f"/proc/{proc.pid}/ns/net").st_ino)
                if name and os.stat(f"/proc/{proc.pid}/ns/pid").st_ino != self._own_pids:
                    found.setdefault(name, []).append(proc)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return {name: crew for name, procs in found.items() if (crew := _crew(procs))}

    def end(self, crew: Crew) -> None:
        census.send([crew.root], signal.SIGKILL)

    def close(self) -> None:
        pass  # the box is its maker's


def _crew(procs: Sequence[Proc]) -> Crew | None:
    roots = [p for p in procs if _pid_inside(p.pid) == 1]
    if not roots:
        return None
    return Crew(roots[0], tuple(p for p in procs if p is not roots[0]))


def _pid_inside(pid: int) -> int:
    """The pid that a process has in the innermost of its namespaces, 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return next(int(line.split()[-1]) for line in f if line.startswith("NSpid:"))
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0


def exit_file(folder: Path, name: str) -> Path:
    return node_folder(folder, name) / "exit"


def node_folder(folder: Path, name: str) -> Path:
    return folder / "nodes" / name


def read_json(path: Path) -> dict[str, str]:
    """A small state file, {} when it is not there."""
    try:
        content: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content
