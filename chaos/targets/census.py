"""Who is alive: processes as /proc has them, and signals that reach all of a group however it forks meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from chaos.errors import TargetError


@dataclass(frozen=True)
class Proc:
    pid: int
    state: str  # as in /proc/PID/stat: R S D T Z ...
    parent: int
    started: int  # clock ticks since boot: with the pid, a process's identity

    @property
    def stopped(self) -> bool:
        return self.state in "Tt"


@dataclass(frozen=True)
class Crew:
    """The processes of one node. `root` holds it together: it ends with the node's command, the rest ends with it."""

    root: Proc
    members: tuple[Proc, ...]

    @property
    def paused(self) -> bool:
        return bool(self.members) and all(p.stopped for p in self.members)


Crews = Mapping[str, Crew]  # by node name; who is not there is not running


def read(pid: int) -> Proc | None:
    """One process, or None when there is none that we may see (zombies do not count)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # the last: somebody else's, under hidepid
        return None
    if fields[0] in b"ZX":
        return None
    return Proc(pid, fields[0].decode(), int(fields[1]), int(fields[19]))


def alive(proc: Proc) -> bool:
    """Whether this very process still runs, and no other that was given its pid."""
    found = read(proc.pid)
    return found is not None and found.started == proc.started


def everyone() -> dict[int, Proc]:
    """Every process that this one can see, by pid."""
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
    """Signal each; who has ended meanwhile is no error."""
    for p in procs:
        with suppress(ProcessLookupError):
            os.kill(p.pid, number)


async def settle(look: Callable[[], Iterable[Proc]], stopped: bool, within: float = 5.0) -> None:
    """Send SIGSTOP until everybody is stopped, or SIGCONT until nobody is. `within` is seconds.

    Two looks in a row have to agree: whoever the first one missed was forked by a process that still ran, and can
    not be missed by the second. Raises TargetError when somebody does not obey.
    """
    number = signal.SIGSTOP if stopped else signal.SIGCONT
    deadline = time.monotonic() + within
    calm = 0
    while calm < 2:
        wrong = [p for p in look() if p.stopped != stopped]
        send(wrong, number)
        calm = 0 if wrong else calm + 1
        if wrong and time.monotonic() > deadline:
            who = ", ".join(f"{p.pid} (state {p.state})" for p in wrong[:5])
            raise TargetError(f"{number.name} had no effect within {within:g} s on process {who}")
        if wrong:
            await asyncio.sleep(0.001)  # a signal takes effect when its process is next scheduled
