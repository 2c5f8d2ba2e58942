"""Isolates nodes in the box: each has its own network, pid, mount and IPC namespace."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos.targets import procfs
from chaos.targets.box import disks, network, view
from chaos.targets.box.control import Control
from chaos.targets.process import container_env
from chaos.targets.process.programs import VIEW
from chaos.targets.procfs import Proc, ProcessGroup, ProcessGroups

# Drop everything that could reach out of the node. Commands before this one are ours and have our environment: a node's
# own LD_PRELOAD and PATH must not affect a program that still has privileges.
UNPRIVILEGED = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")
# A node sees its own processes and mounts in /proc, read-only: as root it could change settings for all nodes.
SEE_ONLY = f'exec {VIEW}>&-; mount -o remount,bind,ro /proc && exec "$@"'
CARRIED = "CHAOS_ENV"  # environment of the program, as shell commands
_TAKE_UP = f'eval "${CARRIED}"; unset {CARRIED}; '
# The node's first process: signals that it has started, runs the command, and writes its exit code. dash and bash both
# reap orphans while they wait. When this process dies, the kernel ends the node. From here on stderr is the node's,
# because unshare's message about its child's death is not the node's.
INIT = _TAKE_UP + (
    'exec 2>&1; cd "$1" || exit 126; shift; echo >&3; exec 3>&-; "$@" 4>&-; code=$?; echo "$code" >&4; exit "$code"'
)
ENTRY = _TAKE_UP + 'cd "$1" || exit 126; shift; exec "$@"'
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that a shell sets itself.
_SHELLS = {"BASHOPTS", "EUID", "GROUPS", "IFS", "LINENO", "OPTIND", "PPID", "PS4", "SHELLOPTS", "UID", CARRIED}


class Namespaces:
    """The namespaces of the box that this process is in. Raises KeyError outside of a box.

    `folder` is on the box's own file system, and disappears with the box.
    """

    def __init__(self) -> None:
        self.folder = Path(os.environ["CHAOS_BOX"])
        self.control = Control.inherited()
        self._networks = self.folder / "net"
        self._own_pids = os.stat("/proc/self/ns/pid").st_ino

    def prepare(self, addresses: Mapping[str, str]) -> None:
        """Prepare the network and hosts file. Idempotent; blocks. Addresses by node name."""
        names, place = container_env.hosts(addresses), Path("/etc/hosts")
        if place.read_text(encoding="utf-8") != names:  # running nodes must never find it empty
            place.write_text(names, encoding="utf-8")
        network.build(self._networks, addresses)
        for folder in ("nameless", "root"):
            (self.folder / folder).mkdir(exist_ok=True)
        (self.folder / "nameless" / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
        resolv = f"nameserver {network.NOWHERE}\n"
        (self.folder / "nameless" / "resolv.conf").write_text(resolv, encoding="utf-8")

    def view(self, name: str, stack: Path, path: str, run: Path | None = None, more: Sequence[Path] = ()) -> int:
        """A view of this machine's files to start a node with, as a descriptor. Blocks.

        It contains the stack's folder, `more` folders, and the programs on `path`. Writable are the node's own folder,
        and that of a `run`.
        """
        environ, home = {**os.environ, "PATH": path}, node_home(self.folder, name)
        shown = (*view.needed(stack, environ), *more, self.folder / "nameless")
        own = (home, run) if run else (home,)
        return view.build(self.folder / "root", view.View(shown, own, view.home_of(environ)))

    def drop_files(self) -> None:
        """Remove all files of nodes."""
        disks.remove_below(self.folder / "homes")
        shutil.rmtree(self.folder / "homes", ignore_errors=True)

    def root_argv(self, name: str, cwd: Path, argv: Sequence[str]) -> list[str]:
        """The command that starts a node's root, for an environment made by `carried`."""
        return [
            "nsenter", f"--net={self._networks / name}", f"--mount=/proc/self/fd/{VIEW}",
            "unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc",
            "sh", "-c", SEE_ONLY, "sh", *UNPRIVILEGED, "sh", "-c", INIT, name, str(cwd), *argv,
        ]  # fmt: skip

    def exec_argv(self, root: Proc, cwd: Path, argv: Sequence[str]) -> list[str]:
        """The command that runs in an existing node; likewise."""
        enter = ["nsenter", f"--target={root.pid}", "--net", "--mount", "--pid", "--ipc"]
        return [*enter, *UNPRIVILEGED, "sh", "-c", ENTRY, "sh", str(cwd), *argv]

    def groups(self) -> ProcessGroups:
        """The processes by node. A process belongs to the node whose network it is in, unless it only waits outside for
        it.
        """
        networks = {}
        for place in self._networks.iterdir() if self._networks.exists() else ():
            networks[place.stat().st_ino] = place.name
        found: dict[str, list[Proc]] = {}
        for proc in procfs.everyone().values():
            try:
                name = networks.get(os.stat(f"/proc/{proc.pid}/ns/net").st_ino)
                if name and os.stat(f"/proc/{proc.pid}/ns/pid").st_ino != self._own_pids:
                    found.setdefault(name, []).append(proc)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return {name: group for name, procs in found.items() if (group := _group(procs))}


def _group(procs: Sequence[Proc]) -> ProcessGroup | None:
    roots = [p for p in procs if _pid_inside(p.pid) == 1]
    if not roots:
        return None
    return ProcessGroup(roots[0], tuple(p for p in procs if p is not roots[0]))


def _pid_inside(pid: int) -> int:
    """The pid of a process in its innermost pid namespace, 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            return next(int(line.split()[-1]) for line in f if line.startswith("NSpid:"))
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0


def exit_file(folder: Path, name: str) -> Path:
    return node_folder(folder, name) / "exit"


def node_folder(folder: Path, name: str) -> Path:
    """The harness's notes about a node, invisible to it."""
    return folder / "nodes" / name


def node_home(folder: Path, name: str) -> Path:
    """The folder that a node may write to: its HOME, with its volumes and its /tmp."""
    return folder / "homes" / name


def carried(program: container_env.Program, path: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words of `program`, and an environment that only the last command of the chain unpacks.

    `path` is the PATH of the commands before it. Variables that a shell cannot set are set by env(1).
    """
    plain = {k: v for k, v in program.env.items() if _NAME.fullmatch(k) and k not in _SHELLS}
    others = [f"{k}={v}" for k, v in program.env.items() if k not in plain]
    taken_up = " ".join(["export", *(f"{k}={shlex.quote(v)}" for k, v in plain.items())])
    return (*(["env", *others] if others else []), *program.argv), {"PATH": path, CARRIED: taken_up}


def is_ours_yet(pid: int) -> bool:
    """Whether a process has not started the node's program yet.

    It is then the shell between its fork and its exec, with our environment, or in the middle of an exec: the kernel
    shows neither environment nor arguments of a program that it is still loading.
    """
    of = Path(f"/proc/{pid}")
    try:
        if not (environment := (of / "environ").read_bytes()):
            if not (of / "cmdline").read_bytes():
                return True
            environment = (of / "environ").read_bytes()  # that of the program loaded in the meantime
        return f"{CARRIED}=".encode() in environment
    except OSError:  # it has ended, or is not readable: the caller finds out
        return False


def read_json(path: Path) -> dict[str, str]:
    """The content of a small state file, {} if it does not exist."""
    try:
        content: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content
