"""How late a fault comes: the time the plan says, beside the time the journal of a real run has.

The fault is `pause`; nobody uses the stack. *Ordered* is the line `fault.inject`, written before the target is asked;
*in force* is `fault.active`, written when the target itself has shown that its node is frozen. Both lines, and the
intent before them, are on the disk (fsync) before the run goes on. The bare loop sleeps in asyncio until the same
times, stops one process with a signal and reads in /proc that it has stopped: no journal, no node, nothing to heal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from benchmarks.common.result import Result, Row, quantile
from benchmarks.common.stage import play, write_plan, write_stack
from chaos.experiment.plan import Release, Step
from chaos.record.journal import Journal
from chaos.targets.compose import target as compose

NODES = ("web-1", "web-2", "web-3")
TIMES = {"process": 200, "compose": 40}
EVERY = 0.2  # seconds
LASTS = 0.1  # seconds

Late = tuple[list[float], list[float]]  # seconds behind the plan: ordered, in force


def rows() -> Result:
    bare = asyncio.run(_bare([s.at for s in _steps(TIMES["process"])]))
    found = [_row("bare loop", bare, bare), _row("ours, process target", _late("process"), bare)]
    why = compose.unavailable()
    if why is None:
        found.append(_row("ours, compose target", _late("compose"), bare))
    return Result(found, [f"No compose target here: {why}."] if why else [])


def _row(of: str, late: Late, bare: Late) -> Row:
    ordered, force = late
    figures: dict[str, float | None] = {}
    for name, samples in (("ordered", ordered), ("in force", force)):
        figures |= {f"{name} late, p{100 * q:g} ms": 1e3 * quantile(samples, q) for q in (0.5, 0.99)}
    return Row(
        of, len(force), {**figures, "in force p50, bare loop = 1": quantile(force, 0.5) / quantile(bare[1], 0.5)}
    )


def _steps(times: int) -> Sequence[Step]:
    """At uneven times, each node in turn."""
    dice = Random(7)
    found = []
    for n in range(times):
        at, who = round(1.0 + EVERY * (n + 0.5 * dice.random()), 6), (NODES[n % len(NODES)],)
        found.append(Step(f"pause-{n:03}", at, "pause", {}, who, (Release(at + LASTS, who),)))
    return found


def _late(kind: str) -> Late:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stack(folder, kind, NODES)
        write_plan(folder, kind, NODES, _steps(TIMES[kind]))
        play(folder, kind)
        journal = Journal.load(folder)
    planned = {s.id: s.at for s in journal.plan.steps}
    ordered = [e.t - planned[e.subject] for _, e in journal.of("fault.inject")]
    force = [e.t - planned[e.subject] for _, e in journal.of("fault.active")]
    assert len(ordered) == len(force) == TIMES[kind], f"{len(force)} of {TIMES[kind]} injections"
    return ordered, force


async def _bare(at: Sequence[float]) -> Late:
    process = subprocess.Popen(["sleep", "1000"])
    clock = asyncio.get_running_loop().time
    ordered, force = [], []
    try:
        t0 = clock()
        for t in at:
            await asyncio.sleep(t0 + t - clock())
            ordered.append(clock() - t0 - t)
            os.kill(process.pid, signal.SIGSTOP)
            while _state(process.pid) != "T":
                await asyncio.sleep(0)
            force.append(clock() - t0 - t)
            os.kill(process.pid, signal.SIGCONT)
    finally:
        process.kill()
        process.wait()
    return ordered, force


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
