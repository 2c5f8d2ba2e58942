"""What a freeze of 3 s looks like to our load, to plain Locust and to an open loop, all at once on the same server.

A server is stopped with SIGSTOP for 3 s while all of them ask it 100 times a second each. Figures are of the 15 s
around a freeze, by when a request was due (Locust: sent).

- open loop: requests at fixed times whatever happens, each on a connection of its own, with all the patience it takes,
  latency from when it was due. This is what users would have lived through.
- the same with our patience: whoever has no answer after 2 s gives up then.
- ours: the load of a run, 60 users. Its users give up after 2 s (and are counted as not answered), so the 2 s are the
  most it can show; the row above is its truth.
- Locust as shipped: a closed model. Each user waits for its answer before it asks again, so in a freeze each asks once:
  how much of it Locust sees depends on the number of users, and so 10 and 60 of them are shown
  (`constant_throughput`, its nearest to a rate; latencies from its own `request` event).
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.common.loads import locust, our_load, recorded
from benchmarks.common.result import Result, Row, median, quantile
from benchmarks.common.server import serving
from chaos.load.contract import PATIENCE
from chaos.targets import httpget

RATE = 100  # requests a second, of each
FREEZE = 3.0  # seconds
BEFORE, AFTER = 6.0, 6.0  # seconds around a freeze that count
TIMES = 3
SLOW = 0.1  # seconds

Requests = list[tuple[float, float]]  # seconds on CLOCK_MONOTONIC when due, seconds it took


def rows() -> Result:
    with tempfile.TemporaryDirectory() as name, serving() as (pid, url):
        found, frozen = asyncio.run(_play(Path(name), pid, url))
    made = [_row(of, requests, frozen) for of, requests in found.items()]
    truth = made[0].figures["p99 ms"] or 0.0
    share = "p99, share of the truth"
    rows = [Row(r.of, r.count, {**r.figures, share: (r.figures["p99 ms"] or 0.0) / truth}) for r in made]
    return Result(rows, [f"Medians of {TIMES} freezes; the count is of all requests around them."])


def _row(of: str, requests: Requests, frozen: list[tuple[float, float]]) -> Row:
    windows = [[took for due, took in requests if a - BEFORE <= due < b + AFTER] for a, b in frozen]
    assert all(windows), f"{of}: no requests"
    return Row(
        of,
        sum(map(len, windows)),
        {
            "p50 ms": 1e3 * median([quantile(w, 0.50) for w in windows]),
            "p99 ms": 1e3 * median([quantile(w, 0.99) for w in windows]),
            "worst ms": 1e3 * median([max(w) for w in windows]),
            f"took over {SLOW * 1e3:.0f} ms, %": 100 * median([sum(t > SLOW for t in w) / len(w) for w in windows]),
        },
    )


async def _play(folder: Path, pid: int, url: str) -> tuple[Mapping[str, Requests], list[tuple[float, float]]]:
    lasts = TIMES * (BEFORE + FREEZE + AFTER) + 2
    load, _ = our_load(folder / "ours", url, 60, RATE, steady=0.0)
    with ExitStack() as left:
        for users in (10, 60):
            wait = f"constant_throughput({RATE / users!r})"
            left.enter_context(locust(folder / f"locust-{users}", url, users, wait, record=True))
        await load.prepare()
        t0 = time.monotonic() + load.lead
        await load.start(t0, 3 * lasts)  # as long as it takes: drain ends it
        truth = asyncio.create_task(_open_loop(url, time.monotonic(), lasts))
        frozen = []
        for _ in range(TIMES):
            await asyncio.sleep(BEFORE)
            frozen.append(await _freeze(pid))
            await asyncio.sleep(AFTER)
        await load.drain()
        requests = {"open loop, endless patience": await truth}
    requests[f"open loop, patience of {PATIENCE:g} s"] = [(due, min(t, PATIENCE)) for due, t in await truth]
    ops = recorded(folder / "ours")
    assert any(op.ok for op in ops), ops[0].error
    requests["ours"] = [(t0 + op.t, op.latency) for op in ops]
    epoch = time.time() - time.monotonic()
    for users in (10, 60):
        lines = (folder / f"locust-{users}" / "requests").read_text().splitlines()
        pairs = [tuple(map(float, line.split())) for line in lines]
        requests[f"Locust as shipped, {users} users"] = [(sent - epoch, took) for sent, took in pairs]
    return requests, frozen


async def _freeze(pid: int) -> tuple[float, float]:
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(FREEZE)
    finally:
        os.kill(pid, signal.SIGCONT)
    return began, time.monotonic()


async def _open_loop(url: str, t0: float, lasts: float) -> Requests:
    address, _, port = url.removeprefix("http://").partition(":")
    found: Requests = []

    async def one(due: float) -> None:
        await httpget.get(address, int(port), "/", 30.0, "server")
        found.append((due, time.monotonic() - due))

    async with asyncio.TaskGroup() as under_way:
        for n in range(int(lasts * RATE)):
            due = t0 + n / RATE
            await asyncio.sleep(due - time.monotonic())
            under_way.create_task(one(due))
    return found
