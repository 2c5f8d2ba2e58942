"""The limits of nodes in the box: what is wanted stands in a file of each node, a limiter in the node sees to it.

The limiter (nodelimits.py) lives in the node's pid namespace and dies with the node; whoever starts the node starts
it again.
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
from chaos.targets import census, nodelimits, programs
from chaos.targets.census import Crew, Proc
from chaos.targets.ground import UNPRIVILEGED, Ground, node_folder

Kind = Literal["cpu", "memory", "leak"]
WORDS: Mapping[Kind, str] = {"cpu": "is starved of processor", "memory": "has little memory", "leak": "leaks memory"}
WATCHED = 0.4  # seconds: a few periods of the limiter
GONE = 5.0  # seconds a limiter may take to die


class Limits:
    """`environment` is what programs of ours need; `log_of` says where a node writes. Methods raise TargetError."""

    def __init__(
        self, ground: Ground, environment: Callable[[], Mapping[str, str]], log_of: Callable[[str], Path]
    ) -> None:
        self._ground, self._environment, self._log_of = ground, environment, log_of

    async def want(self, name: str, kind: Kind, value: Any) -> None:
        """`value` is a share for cpu, bytes for memory, [bytes a second, bytes] for a leak, None for none."""
        wanted = {**self.wanted(name), kind: value}
        self._write(name, {k: v for k, v in wanted.items() if v is not None})
        await self.lay(name)

    def wanted(self, name: str) -> dict[Kind, Any]:
        with suppress(FileNotFoundError):
            found: dict[Kind, Any] = json.loads(self._file(name).read_text())
            return found
        return {}

    def _write(self, name: str, wanted: Mapping[Kind, Any]) -> None:
        """In one step: a node that starts meanwhile reads it."""
        file = self._file(name)
        if not wanted:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(wanted))
        new.replace(file)

    def _file(self, name: str) -> Path:
        return node_folder(self._ground.folder, name) / "limits.json"

    async def lay(self, name: str) -> None:
        """Make what is wanted so, whatever was before. A paused node stays paused."""
        crew = self._ground.crews().get(name)
        if crew is None:
            return
        paused = self.paused(name, crew)
        await self._end(name)
        if not paused:
            await census.settle(lambda: self._members(name), stopped=False)
        if wanted := self.wanted(name):
            await self._launch(name, crew.root, wanted)
            if paused:
                await self.hold(name)

    def _members(self, name: str) -> Sequence[Proc]:
        crew = self._ground.crews().get(name)
        return crew.members if crew else ()

    async def _launch(self, name: str, root: Proc, wanted: Mapping[Kind, Any]) -> None:
        rate, most = wanted.get("leak") or (0, 0)
        limits = [n for n in (wanted.get("memory", 0), most) if n]
        numbers = (wanted.get("cpu", 0), min(limits, default=0), rate)
        argv = [
            "nsenter", f"--target={root.pid}", "--mount", "--pid", *UNPRIVILEGED,
            sys.executable, "-I", "-S", nodelimits.__file__, *map(str, numbers),
        ]  # fmt: skip
        folder = node_folder(self._ground.folder, name)
        start = programs.Start(argv, self._environment(), "/", self._log_of(name), folder / "limiter-complaints")
        try:
            pid = await programs.launch(self._ground.control, start)
        except TargetError as e:
            raise TargetError(f"{name}: its limits could not be laid on: {e}") from e
        for proc in census.below(pid, census.everyone()):
            (folder / "limiter").write_text(f"{proc.pid} {proc.started}")

    def limiter(self, name: str) -> Proc | None:
        try:
            pid, started = map(int, (node_folder(self._ground.folder, name) / "limiter").read_text().split())
        except FileNotFoundError:
            return None
        found = census.read(pid)
        return found if found and found.started == started else None

    async def _end(self, name: str) -> None:
        """Until it is gone: one that is only dying still shows its limit."""
        if limiter := self.limiter(name):
            census.send([limiter], signal.SIGKILL)
            self._wake(limiter.parent)
            async with asyncio.timeout(GONE):
                while census.alive(limiter):
                    await asyncio.sleep(0.002)

    async def hold(self, name: str) -> None:
        """While a node is paused: the limiter would wake whom it stopped itself."""
        await census.settle(lambda: filter(None, [self.limiter(name)]), stopped=True)

    def let_go(self, name: str) -> None:
        if limiter := self.limiter(name):
            census.send([limiter], signal.SIGCONT)
            self._wake(limiter.parent)

    @staticmethod
    def _wake(parent: int) -> None:
        """An nsenter stops itself when its child is stopped."""
        if proc := census.read(parent):
            census.send([proc], signal.SIGCONT)

    def paused(self, name: str, crew: Crew) -> bool:
        """All of it stopped, and not only until its next share of a core."""
        limiter = self.limiter(name) if crew.paused else None
        return crew.paused and (limiter is None or limiter.stopped)

    async def starved(self, name: str) -> bool:
        """Whether somebody who runs is stopped again and again; somebody has to want more than the share meanwhile."""
        if (limiter := self.limiter(name)) is None or limiter.stopped:
            return False
        members = self._members(name)
        before = {p.pid: nodelimits.spent(p.pid) for p in members}
        stopped: set[int] = set()
        until = time.monotonic() + WATCHED
        while time.monotonic() < until:
            stopped |= {p.pid for p in map(census.read, before) if p and p.stopped}
            await asyncio.sleep(0.01)
        return any(nodelimits.spent(pid) > before[pid] for pid in stopped)

    def memory_limit(self, name: str) -> int | None:
        """Bytes, as the limiter that runs was told."""
        limiter = self.limiter(name)
        if limiter is None or limiter.stopped:
            return None
        with suppress(OSError):
            argv = Path(f"/proc/{limiter.pid}/cmdline").read_text().split("\0")
            if len(argv) > 3:  # one that is ending has none any more
                return int(argv[-3]) or None
        return None

    def leaked(self, name: str) -> int:
        """Bytes that leaked so far."""
        if limiter := self.limiter(name):
            with suppress(OSError):
                return Path(f"/proc/{limiter.pid}/fd/{nodelimits.LEAK_FD}").stat().st_blocks * 512
        return 0
