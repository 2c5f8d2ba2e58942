"""Limits one node of the box: a share of a core, a memory limit, a memory leak.

Control groups need root outside the box; this does not. It runs in the node's own pid namespace, so it sees only that
node, and the kernel ends it with the node. Run by path with the standard library alone: `limiter.py CPU MEMORY RATE`.

CPU     share of one core, 0 for no limit. As in the kernel's bandwidth control, the node's processes may use their
        share in each PERIOD, and are then stopped (SIGSTOP) until the next one. Excess time is deducted from the next
        period. A node that needs less is never stopped. Processes that live shorter than a period are not counted.
MEMORY  bytes, 0 for no limit. A node above it loses the process with the most memory (SIGKILL), as in a control group;
        but checks are LOOK apart, and only anonymous memory counts.
RATE    bytes a second to leak, up to MEMORY: held by this program, counted as the node's.

The direct child of an nsenter is never stopped: nsenter would stop itself too, and nothing would continue it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import NamedTuple

PERIOD = 0.1  # seconds
LOOK = 0.02  # seconds between two checks of memory
READY = 3  # descriptor on which a byte signals that the limits are in force
LEAK_FD = 9  # descriptor of the file that holds the leaked memory
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Proc(NamedTuple):
    pid: int
    parent: int  # 0: outside of the node
    state: str


def everyone() -> list[Proc]:
    """The node's processes, without its first one, this one, and zombies."""
    found, spared = [], (1, os.getpid())
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            with open(f"/proc/{name}/stat", "rb") as f:
                state, parent = f.read().rpartition(b")")[2].split()[:2]
            if int(name) not in spared and state not in b"ZX":
                found.append(Proc(int(name), int(parent), state.decode()))
    return found


def spent(pid: int) -> float:
    """Seconds of processor time that a process has used, from its CPU clock (clock_getcpuclockid(3))."""
    with suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def anonymous(pid: int) -> int:
    """Bytes of anonymous memory of a process."""
    with suppress(OSError), open(f"/proc/{pid}/statm", encoding="utf-8") as f:
        _, resident, shared = map(int, f.read().split()[:3])
        return (resident - shared) * _PAGE
    return 0


class Meter:
    """Seconds of processor time that all processes used since the last call."""

    def __init__(self) -> None:
        self._seen = {p.pid: spent(p.pid) for p in everyone()}

    def look(self) -> float:
        now = {p.pid: spent(p.pid) for p in everyone()}
        used = sum(max(0.0, had - self._seen.get(pid, 0.0)) for pid, had in now.items())
        self._seen = now
        return used


def send(pids: set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def stop_all() -> set[int]:
    """Stop everything; returns the pids. Repeats until nothing runs, because a running process may have forked
    meanwhile.
    """
    stopped: set[int] = set()
    for _ in range(100):
        running = {p.pid for p in everyone() if p.parent and p.state not in "Tt"}
        if not running - stopped:
            break
        send(running, signal.SIGSTOP)
        stopped |= running
    return stopped


class Leak:
    def __init__(self, rate: int, limit: int) -> None:
        self.held, self._rate, self._limit = 0, rate, limit
        self._began = time.monotonic()
        if rate:
            made = os.memfd_create("leak")
            os.dup2(made, LEAK_FD)
            os.close(made)

    def grow(self) -> None:
        due = min(self._limit, int((time.monotonic() - self._began) * self._rate)) // _PAGE * _PAGE
        if due > self.held:
            os.posix_fallocate(LEAK_FD, self.held, due - self.held)
            self.held = due


def end_the_biggest(limit: int, leaked: int) -> None:
    held = {p.pid: anonymous(p.pid) for p in everyone()}
    total = sum(held.values()) + leaked
    if total > limit and held:
        victim = max(held, key=lambda pid: held[pid])
        print(f"chaos: out of memory ({total >> 20} of {limit >> 20} MiB): killed process {victim}", flush=True)
        send({victim}, signal.SIGKILL)


def main(cpu: float, memory: int, rate: int) -> None:
    meter, leak = Meter(), Leak(rate, memory)
    cores = os.cpu_count() or 1
    budget = allowance = cpu * PERIOD
    os.write(READY, b"\n")
    os.close(READY)
    began = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= began + PERIOD:
            began, allowance = now, min(budget, allowance + budget)
        rest = began + PERIOD - now
        nap = min(rest, LOOK) if memory else rest
        stopped: set[int] = set()
        if cpu:
            allowance -= meter.look()
            if allowance <= 0:
                stopped = stop_all()
                nap = rest
            else:
                nap = min(nap, max(0.001, allowance / cores))
        if memory:
            leak.grow()
            end_the_biggest(memory, leak.held)
        time.sleep(nap)
        send(stopped, signal.SIGCONT)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
