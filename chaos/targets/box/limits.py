"""The limits of nodes in the box: a file of each node holds the wanted values, and a limiter in the node enforces them.

The limiter (limiter.py) lives in the node's pid namespace and dies with the node. It is restarted with the node.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from chaos.errors import TargetError
from chaos.targets import procfs
from chaos.targets.box import limiter as limiter_program
from chaos.targets.process import programs
from chaos.targets.process.isolation import UNPRIVILEGED, Namespaces, node_folder
from chaos.targets.procfs import Proc, ProcessGroup

Kind = Literal["cpu", "memory", "leak"]
WORDS: Mapping[Kind, str] = {"cpu": "is starved of processor", "memory": "has little memory", "leak": "leaks memory"}
WATCHED = 0.4  # seconds: a few periods of the limiter
GONE = 5.0  # seconds that a limiter may take to end


class Limits:
    """Limits of nodes. Methods raise TargetError.

    `namespaces` is called when it is needed; `environment` gives the environment for the harness's own programs;
    `log_of` gives the log file of a node.
    """

    def __init__(
        self,
        namespaces: Callable[[], Namespaces],
        environment: Callable[[], Mapping[str, str]],
        log_of: Callable[[str], Path],
    ) -> None:
        self._namespaces_of, self._environment, self._log_of = namespaces, environment, log_of

    @property
    def _namespaces(self) -> Namespaces:
        return self._namespaces_of()

    async def want(self, name: str, kind: Kind, value: Any) -> None:
        """`value` is a share for cpu, bytes for memory, [bytes a second, bytes] for a leak, None for none."""
        wanted = {**self.wanted(name), kind: value}
        self._write(name, {k: v for k, v in wanted.items() if v is not None})
        await self.lay(name)

    def wanted(self, name: str) -> dict[Kind, Any]:
        with suppress(FileNotFoundError):
            found: dict[Kind, Any] = json.loads(self._file(name).read_text(encoding="utf-8"))
            return found
        return {}

    def _write(self, name: str, wanted: Mapping[Kind, Any]) -> None:
        """Write atomically: a node that starts meanwhile reads it."""
        file = self._file(name)
        if not wanted:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(wanted), encoding="utf-8")
        new.replace(file)

    def _file(self, name: str) -> Path:
        return node_folder(self._namespaces.folder, name) / "limits.json"

    async def again(self, name: str) -> None:
        """Apply the wanted limits to a node that was just started."""
        if self.wanted(name):
            await self.lay(name)

    async def lay(self, name: str) -> None:
        """Make the wanted limits effective, whatever was in force before. A paused node stays paused."""
        group = self._namespaces.groups().get(name)
        if group is None:
            return
        paused = self.paused(name, group)
        await self._end(name)
        if not paused:
            await procfs.settle(lambda: self._members(name), stopped=False)
        if wanted := self.wanted(name):
            await self._launch(name, group.root, wanted)
            if paused:
                await self.hold(name)

    def _members(self, name: str) -> Sequence[Proc]:
        group = self._namespaces.groups().get(name)
        return group.members if group else ()

    async def _launch(self, name: str, root: Proc, wanted: Mapping[Kind, Any]) -> None:
        rate, most = wanted.get("leak") or (0, 0)
        limits = [n for n in (wanted.get("memory", 0), most) if n]
        numbers = (wanted.get("cpu", 0), min(limits, default=0), rate)
        argv = [
            "nsenter", f"--target={root.pid}", "--mount", "--pid", *UNPRIVILEGED,
            sys.executable, "-I", "-S", limiter_program.__file__, *map(str, numbers),
        ]  # fmt: skip
        folder = node_folder(self._namespaces.folder, name)
        said, code = folder / "limiter-complaints", folder / "limiter-exit"
        start = programs.Start(argv, self._environment(), "/", self._log_of(name), said, code)
        try:
            pid = await programs.launch(self._namespaces.control, start)
        except TargetError as e:
            raise TargetError(f"{name}: its limits could not be set: {e}") from e
        for proc in procfs.below(pid, procfs.everyone()):
            (folder / "limiter").write_text(f"{proc.pid} {proc.started}", encoding="utf-8")

    def limiter(self, name: str) -> Proc | None:
        try:
            note = node_folder(self._namespaces.folder, name) / "limiter"
            pid, started = map(int, note.read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return None
        found = procfs.read(pid)
        return found if found and found.started == started else None

    async def _end(self, name: str) -> None:
        """End the limiter and wait for it: one that is still ending would show its limit."""
        if limiter := self.limiter(name):
            procfs.send([limiter], signal.SIGKILL)
            self._wake(limiter.parent)
            async with asyncio.timeout(GONE):
                while procfs.alive(limiter):
                    await asyncio.sleep(0.002)

    async def hold(self, name: str) -> None:
        """End the limiter while a node is paused, because it would continue the processes that it stopped."""
        await procfs.settle(lambda: filter(None, [self.limiter(name)]), stopped=True)

    def let_go(self, name: str) -> None:
        if limiter := self.limiter(name):
            procfs.send([limiter], signal.SIGCONT)
            self._wake(limiter.parent)

    @staticmethod
    def _wake(parent: int) -> None:
        """Continue an nsenter, which stops itself when its child is stopped."""
        if proc := procfs.read(parent):
            procfs.send([proc], signal.SIGCONT)

    def paused(self, name: str, group: ProcessGroup) -> bool:
        """Whether all processes are stopped by a pause, rather than by the limiter."""
        limiter = self.limiter(name) if group.paused else None
        return group.paused and (limiter is None or limiter.stopped)

    async def starved(self, name: str) -> bool:
        """Whether a running process is stopped repeatedly. The node has to need more than its share meanwhile."""
        if (limiter := self.limiter(name)) is None or limiter.stopped:
            return False
        members = self._members(name)
        before = {p.pid: limiter_program.spent(p.pid) for p in members}
        stopped: set[int] = set()
        until = time.monotonic() + WATCHED
        while time.monotonic() < until:
            stopped |= {p.pid for p in map(procfs.read, before) if p and p.stopped}
            await asyncio.sleep(0.01)
        return any(limiter_program.spent(pid) > before[pid] for pid in stopped)

    def memory_limit(self, name: str) -> int | None:
        """Bytes; None if there is no limit."""
        told = self._told(name)
        return int(told[1]) or None if told else None

    def share(self, name: str) -> float | None:
        """Share of one core; None if there is no limit."""
        told = self._told(name)
        return float(told[0]) or None if told else None

    def _told(self, name: str) -> Sequence[str]:
        """Arguments of the running limiter: share, bytes, and bytes a second. Empty if there is none."""
        limiter = self.limiter(name)
        if limiter is None or limiter.stopped:
            return ()
        with suppress(OSError):
            argv = Path(f"/proc/{limiter.pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
            if len(argv) > 3:  # one that is ending has no arguments any more
                return argv[-4:-1]
        return ()

    def leaked(self, name: str) -> int:
        """Bytes leaked so far."""
        if limiter := self.limiter(name):
            with suppress(OSError):
                return Path(f"/proc/{limiter.pid}/fd/{limiter_program.LEAK_FD}").stat().st_blocks * 512
        return 0
