"""What an operation costs the load: operations a second of processor, ours beside bare Locust with the same user class.

60 users ask one small server. Ours are open: each arrival comes when it is due, in a greenlet of its own, and leaves a
line in ops.jsonl that is in the kernel's hands before the next thing happens. Bare Locust (FastHttpUser, which ours is
too) keeps sums by name and no operation; once it asks at the same rate (`constant_throughput`), once as fast as it can,
which is its best case: no timers, and its loop never idle.

Counted is what the server answered within some seconds in the middle of a run, beside the processor time that the
load's process took in the same seconds (its start and its end do not count).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.common.loads import locust, our_load, recorded
from benchmarks.common.result import Result, Row, median
from benchmarks.common.server import count, serving

USERS = 60
RATE = 600  # operations a second
SETTLE = 2.0  # seconds before anything counts
WINDOW = 6.0  # seconds
TIMES = 3
OURS = "ours, recorded"
WAITS = {
    f"bare Locust, {RATE}/s": f"constant_throughput({RATE / USERS!r})",
    "bare Locust, as fast as it can": "constant(0)",
}

Seen = tuple[int, float]  # operations, seconds of processor


def rows() -> Result:
    samples: dict[str, list[Seen]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name, serving() as (_, url):
        for turn in range(TIMES):
            folder = Path(name) / str(turn)
            samples[OURS].append(asyncio.run(_ours(folder / "ours", url)))
            for n, (of, wait) in enumerate(WAITS.items()):
                with locust(folder / f"locust-{n}", url, USERS, wait, record=False) as pid:
                    samples[of].append(_locust(pid, url))
    cost = {of: median([cpu / n for n, cpu in each]) for of, each in samples.items()}
    return Result([
        Row(
            of,
            sum(n for n, _ in each),
            {
                "operations a second of wall": median([n / WINDOW for n, _ in each]),
                "operations a second of processor": 1 / cost[of],
                "processor each, ours = 1": cost[of] / cost[OURS],
            },
        )
        for of, each in samples.items()
    ], [f"Medians of {TIMES} runs; the count is of the operations in all of them."])  # fmt: skip


async def _ours(folder: Path, url: str) -> Seen:
    load, here = our_load(folder, url, USERS, RATE, steady=0.0)
    await load.prepare()
    t0 = time.monotonic() + load.lead
    await load.start(t0, SETTLE + WINDOW + 1)
    await asyncio.sleep(t0 + SETTLE - time.monotonic())
    began, n, cpu = time.monotonic(), count(url), _processor(here.pid)
    await asyncio.sleep(WINDOW)
    ended, n, cpu = time.monotonic(), count(url) - n, _processor(here.pid) - cpu
    await load.drain()
    ops = [op for op in recorded(folder) if began - t0 <= op.end < ended - t0]
    assert all(op.ok for op in ops), next(op.error for op in ops if not op.ok)
    assert abs(len(ops) - n) < 0.02 * n, f"{len(ops)} recorded, {n} answered"
    return len(ops), cpu


def _locust(pid: int, url: str) -> Seen:
    at_first = count(url)
    while count(url) - at_first < USERS:
        time.sleep(0.1)
    time.sleep(SETTLE)
    n, cpu = count(url), _processor(pid)
    time.sleep(WINDOW)
    return count(url) - n, _processor(pid) - cpu


def _processor(pid: int) -> float:
    """Seconds, user and system, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
