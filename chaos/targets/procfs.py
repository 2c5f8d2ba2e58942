"""Processes according to /proc, and signals that reach a whole group even while it forks."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import TargetError


@dataclass(frozen=True)
class Proc:
    pid: int
    state: str  # as in /proc/PID/stat: R S D T Z ...
    parent: int
    started: int  # clock ticks since boot: with the pid, it identifies a process

    @property
    def stopped(self) -> bool:
        return self.state in "Tt"


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one node. `root` holds it together: it ends with the node's command, and the others end with
    it.
    """

    root: Proc
    members: tuple[Proc, ...]

    @property
    def paused(self) -> bool:
        return bool(self.members) and all(p.stopped for p in self.members)


ProcessGroups = Mapping[str, ProcessGroup]  # by node name; nodes that are not running are left out


def read(pid: int) -> Proc | None:
    """One process, or None if there is none that is visible (zombies do not count)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # the last one with hidepid
        return None
    if fields[0] in b"ZX":
        return None
    return Proc(pid, fields[0].decode(), int(fields[1]), int(fields[19]))


def alive(proc: Proc) -> bool:
    """Whether this process still runs, rather than another one with its pid."""
    found = read(proc.pid)
    return found is not None and found.started == proc.started


def boot() -> str:
    """The id of this boot of the machine: pids and ticks restart with each boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def everyone() -> dict[int, Proc]:
    """Every visible process, by pid."""
    found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {p.pid: p for p in found if p}


def below(root: int, procs: Mapping[int, Proc]) -> list[Proc]:
    """All descendants of `root`, nearest first."""
    children: dict[int, list[Proc]] = {}
    for p in procs.values():
        children.setdefault(p.parent, []).append(p)
    found: list[Proc] = []
    queue = [root]
    for pid in queue:
        found += children.get(pid, ())
        queue += [p.pid for p in children.get(pid, ())]
    return found


def send(procs: Iterable[Proc], number: signal.Signals) -> None:
    """Signal each process; processes that have ended in the meantime are ignored."""
    for p in procs:
        with suppress(ProcessLookupError):
            os.kill(p.pid, number)


async def settle(look: Callable[[], Iterable[Proc]], stopped: bool, within: float = 5.0) -> None:
    """Send SIGSTOP until all are stopped, or SIGCONT until none is. `within` is in seconds.

    Two scans in a row have to agree: a process that the first scan missed was forked by a running one, and is found by
    the second. A process that waits in vfork(2) for a child that was stopped before its exec(2) cannot stop itself, so
    that child is continued for a moment. Raises TargetError if a process does not react.
    """
    number = signal.SIGSTOP if stopped else signal.SIGCONT
    deadline = time.monotonic() + within
    calm = 0
    while calm < 2:
        found = list(look())
        wrong = [p for p in found if p.stopped != stopped]
        send(wrong, number)
        waiting = {p.pid for p in wrong if p.state == "D"}
        send([p for p in found if stopped and p.stopped and p.parent in waiting], signal.SIGCONT)
        calm = 0 if wrong else calm + 1
        if wrong and time.monotonic() > deadline:
            who = ", ".join(f"{p.pid} (state {p.state})" for p in wrong[:5])
            raise TargetError(f"{number.name} had no effect within {within:g} s on process {who}")
        if wrong:
            await asyncio.sleep(0.001)  # a signal takes effect when its process is next scheduled
