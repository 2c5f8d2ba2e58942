"""How soon a node answers again: from the order to heal to the first right answer over HTTP, fault by fault.

A small web server (Python's own, which takes most of what a start takes) is hurt until it does not answer, or answers
as it should not, and is then healed; requests go to it every 5 ms, each on a connection of its own, so 5 ms is the
least that can be told apart. *Heal returned* is when the fault's own heal was done. By hand is the same server as a
plain process: SIGCONT after SIGSTOP beside `pause`, a new start beside the faults that end the node or start it anew.
`deploy` asks the node to end in good order first, to which this server does not listen: most of its time is the grace.

On compose the requests come from the host. While a container is gone the host's kernel asks for its address once a
second (ARP), and an answer waits for the next time it asks: starts come in steps of a second there, for any client on
that network.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.common.result import Result, Row, quantile
from benchmarks.common.stage import SERVER, go_inside, make_target, write_stack
from chaos import registry
from chaos.errors import BadExperiment, ChaosError, TargetError
from chaos.protocols.capabilities import CUT, HOST, RESET, SHAPE
from chaos.protocols.table import Refusal
from chaos.targets import httpget
from chaos.targets.box import box
from chaos.targets.compose import target as compose

NODE = "web-1"
TIMES = {"process": 20, "compose": 6, "by hand": 20}
EVERY = 0.005  # seconds between two requests
PATIENCE = 30.0  # seconds for an answer
PARAMETERS: dict[str, dict[str, Any]] = {"deploy": {"environment": {"MODE": "new"}}}  # of faults that need any
BY_HAND = {"pause": "SIGCONT"}  # everything else is beside a start

Ask = Callable[[], Coroutine[Any, Any, bool]]  # one request: was it answered, and as it should be?
Heal = tuple[float, float]  # seconds from the order: answered, heal returned


def rows() -> Result:
    bare = asyncio.run(_by_hand())
    found = [_row(f"by hand: {what}", samples, None) for what, samples in bare.items()]
    notes: list[str] = []
    why = compose.unavailable()
    for kind in ("process", *(() if why else ("compose",))):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_stack(folder, kind, [NODE])
            (folder / "kind").write_text(kind)
            go_inside(folder, kind, "benchmarks.heal")
            measured, said = json.loads((folder / "healed.json").read_text())
        notes += [f"{kind}: {line}" for line in said]
        for fault, samples in measured.items():
            beside = quantile([a for a, _ in bare[BY_HAND.get(fault, "start")]], 0.5)
            found.append(_row(f"{fault}, {kind} target", samples, beside))
    return Result(found, [*notes, *([f"No compose target here: {why}."] if why else [])])


def _row(of: str, samples: list[Heal], beside: float | None) -> Row:
    answered, returned = [a for a, _ in samples], [r for _, r in samples]
    return Row(
        of,
        len(samples),
        {
            "answers, p50 ms": 1e3 * quantile(answered, 0.5),
            "worst ms": 1e3 * max(answered),
            "heal returned, p50 ms": 1e3 * quantile(returned, 0.5),
            "answers p50, by hand = 1": None if beside is None else quantile(answered, 0.5) / beside,
        },
    )


async def _inside(folder: Path, kind: str) -> None:
    """Hurt and heal the stack in FOLDER with every fault that is known; leave the times in healed.json."""
    target = make_target(folder, kind)
    measured: dict[str, list[Heal]] = {}
    said: list[str] = []
    try:
        await target.up()
        for name in registry.names("chaos.faults"):
            try:
                cls = registry.load("chaos.faults", name)
                fault = registry.build(cls, PARAMETERS.get(name, {}))
            except BadExperiment as e:
                said.append(f"{name} was left out, it wants parameters ({e})")
                continue
            if isinstance(able := target.can.get(cls.needs), Refusal):
                said.append(f"{name} was left out, the target cannot")
            elif cls.needs in (CUT, SHAPE, RESET):
                said.append(f"{name} was left out, it hurts links and nobody uses those here (see queue)")
            elif why := next(filter(None, (able.unfit(n) for n in target.nodes())), ""):
                said.append(f"{name} was left out: {why}")
            elif samples := await _hurt(target, fault, TIMES[kind]):
                measured[name] = samples
            else:
                said.append(f"{name} was left out, the node goes on answering under it")
    finally:
        await target.down()
    (folder / "healed.json").write_text(json.dumps([measured, said]))


async def _hurt(target: Any, fault: Any, times: int) -> list[Heal]:
    """Empty where the node answers as ever while the fault is in force."""
    nodes, on = list(target.nodes()), target.can.need(fault.needs)

    async def ask() -> bool:
        with suppress(TargetError):
            return bool(await target.can.need(HOST).fetch(NODE, 8000, "/", 0.2) == (200, f"{NODE} -".encode()))
        return False

    samples: list[Heal] = []
    for _ in range(times):
        await _answered(ask)
        await fault.inject(on, nodes)
        try:
            if not await fault.confirm(on, nodes):
                raise ChaosError(f"{fault} does not bite")
            if await ask():
                return []
            samples.append(await _healed(lambda: fault.heal(on, nodes), ask))
        finally:
            await fault.heal(on, nodes)
    return samples


async def _healed(heal: Callable[[], Coroutine[Any, Any, None]], ask: Ask) -> Heal:
    began = time.perf_counter()

    async def through() -> float:
        await heal()
        return time.perf_counter() - began

    healing = asyncio.create_task(through())
    answered = await _answered(ask) - began
    return answered, await healing


async def _answered(ask: Ask) -> float:
    """When the first of many requests, begun one after another, was answered as it should be."""
    first: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    under_way: set[asyncio.Task[None]] = set()

    async def one() -> None:
        if await ask() and not first.done():
            first.set_result(time.perf_counter())

    async with asyncio.timeout(PATIENCE):
        while not first.done():
            under_way.add(asyncio.create_task(one()))
            await asyncio.wait([first], timeout=EVERY)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    return first.result()


async def _by_hand() -> dict[str, list[Heal]]:
    """The same server and the same requests, without us."""
    address = "127.0.77.1"
    env = {**os.environ, "NAME": NODE, "BIND": address}

    async def ask() -> bool:
        with suppress(TargetError):
            return await httpget.get(address, 8000, "/", 0.2, NODE) == (200, f"{NODE} -".encode())
        return False

    running: list[subprocess.Popen[bytes]] = []

    async def start() -> None:
        running.append(subprocess.Popen([sys.executable, "-S", "-c", SERVER], env=env, stderr=subprocess.DEVNULL))

    async def resume() -> None:
        os.kill(running[-1].pid, signal.SIGCONT)

    found: dict[str, list[Heal]] = {"start": [], "SIGCONT": []}
    try:
        for _ in range(TIMES["by hand"]):
            found["start"].append(await _healed(start, ask))
            os.kill(running[-1].pid, signal.SIGSTOP)
            assert not await ask()
            found["SIGCONT"].append(await _healed(resume, ask))
            running[-1].kill()
            running[-1].wait()
    finally:
        for process in running:
            process.kill()
            process.wait()
    return found


if __name__ == "__main__":
    where = Path(sys.argv[1])
    asyncio.run(_inside(where, "process" if box.inside() else (where / "kind").read_text()))
