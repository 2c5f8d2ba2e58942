"""A zone of 30 containers goes: how far apart are the first and the last of them, by us and by `docker kill`.

Every container sends a packet to the host each 5 ms; the kernel's time of its last one is when it was gone, whatever
took it. *Spread* is from the first such time to the last, *all gone* from the order to the last. Two nodes that go at
the same instant may differ by one interval of the beat: a spread of about that length is no spread that can be seen.
Methods take turns; between them everything is put back and every node has been heard again.

- cut: `cut` of the compose target, the whole zone as one rule of one transaction of the kernel's packet filter
- kill: `kill` of the compose target, SIGKILL through the engine, some calls at once; each returns when its node is dead
- `docker kill` one by one: a shell loop; `docker kill` of all: one command with 30 names
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from benchmarks.common.beats import EVERY, SENDER, Heard, Listener
from benchmarks.common.result import Result, Row, median, quantile
from benchmarks.common.stage import PROJECT, guarded, make_target, write_stack
from chaos.errors import ChaosError
from chaos.protocols.capabilities import CUT, KILL
from chaos.protocols.links import Link
from chaos.targets.compose import owner
from chaos.targets.compose import target as compose
from chaos.targets.docker.engine import AT_ONCE, Engine

SIZE = 30
TIMES = 3
SILENCE = 0.5  # seconds without a word from anybody: all are gone
PATIENCE = 60.0  # seconds for everybody to go, or to be heard again
GATEWAY = "10.93.0.1"

Gone = tuple[float, float]  # seconds: spread, from the order to the last
Do = Callable[[], Awaitable[object]]


def rows() -> Result:
    if why := compose.unavailable():
        raise ChaosError(f"the zone is made of containers, and there is no compose target here: {why}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [f"n{i:02}" for i in range(SIZE)]
        write_stack(folder, "compose", names, SENDER.replace("GATEWAY", GATEWAY), check=False)
        with guarded(folder, "compose"):
            samples, gaps = asyncio.run(_play(folder))
    ours = median([spread for spread, _ in samples["ours: kill"]])
    found = [
        Row(
            method,
            len(each),
            {
                "spread p50 ms": 1e3 * median([spread for spread, _ in each]),
                "spread worst ms": 1e3 * max(spread for spread, _ in each),
                "all gone p50 ms": 1e3 * median([gone for _, gone in each]),
                "spread p50, our kill = 1": median([spread for spread, _ in each]) / ours,
            },
        )
        for method, each in samples.items()
    ]
    p50, p99 = (1e3 * quantile(gaps, q) for q in (0.5, 0.99))
    seen = f"just before each order they came with gaps of p50 {p50:.1f} ms and p99 {p99:.1f} ms (of {len(gaps):,})"
    calls = (
        f"Our kill asks the engine with at most {AT_ONCE} calls at once, so nodes beyond that wait for others to end."
    )
    return Result(found, [f"Beats were to come every {1e3 * EVERY:g} ms; {seen}.", calls])


async def _play(folder: Path) -> tuple[Mapping[str, list[Gone]], list[float]]:
    target = make_target(folder, "compose")
    await target.up()
    await target.heal()  # starts the helper, as a run does before its first fault
    nodes = list(target.nodes())
    ids = [c.id for c in (await Engine(PROJECT, owner.mark(target.stack)).containers()).values()]
    zone = [Link(frozenset(n.name for n in nodes))]

    def start() -> Awaitable[object]:  # not by us: how long thirty starts take is not what is measured
        return _shell("docker start " + " ".join(ids))

    methods: Mapping[str, tuple[Do, Do]] = {
        "ours: cut": (lambda: target.can.need(CUT).cut("zone", zone), lambda: target.can.need(CUT).join("zone", zone)),
        "ours: kill": (lambda: target.can.need(KILL).kill(nodes), start),
        "`docker kill` of all": (lambda: _shell("docker kill " + " ".join(ids)), start),
        "`docker kill` one by one": (
            lambda: _shell(f"for id in {' '.join(ids)}; do docker kill $id; done"),
            start,
        ),
    }
    samples: dict[str, list[Gone]] = defaultdict(list)
    gaps: list[float] = []
    try:
        with Listener(GATEWAY) as listener:
            await _all_heard(listener)
            for _ in range(TIMES):
                for method, (go, back) in methods.items():
                    heard = await _all_heard(listener)
                    gaps += [gap for _, between in heard.values() for gap in between]
                    samples[method].append(await _gone(listener, go, {name: at for name, (at, _) in heard.items()}))
                    await back()
    finally:
        await target.down()
    return samples, gaps


async def _gone(listener: Listener, go: Do, last: dict[str, float]) -> Gone:
    """`last`: when each was heard so far; who goes at once is not heard again."""
    ordered = time.time()
    await go()
    async with asyncio.timeout(PATIENCE):
        while heard := listener.heard():
            last |= {name: at for name, (at, _) in heard.items()}
            await asyncio.sleep(SILENCE)
    assert len(last) == SIZE, f"{len(last)} of {SIZE} nodes were heard"
    return max(last.values()) - min(last.values()), max(last.values()) - ordered


async def _all_heard(listener: Listener) -> Heard:
    """Once everybody has been heard all through half a second."""
    async with asyncio.timeout(PATIENCE):
        while True:
            listener.heard()
            await asyncio.sleep(0.5)
            heard = listener.heard()
            if len(heard) == SIZE and all(len(gaps) > 0.5 * 0.5 / EVERY for _, gaps in heard.values()):
                return heard


async def _shell(command: str) -> None:
    process = await asyncio.create_subprocess_shell(command, stdout=subprocess.DEVNULL)
    assert await process.wait() == 0, command
