"""A load made of functions: one operation every `every` seconds, answered by `ask`, kept in a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from chaos.errors import ChaosError
from chaos.model import Note, Op
from chaos.protocols import Load
from chaos.run.cancellation import through

Ask = Callable[[float], str]  # time on the timeline → ok | fail | info


class Scripted(Load):
    lead = 1.0

    def __init__(self, ask: Ask = lambda t: "ok", every: float = 0.5) -> None:
        self.ops: list[Op] = []
        self.calls: list[str] = []
        self.noticed: Sequence[Note] = ()
        self.failing = False  # it ends with an error
        self._ask, self._every = ask, every
        self._task: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        self.calls.append("prepare")

    async def start(self, t0: float, until: float) -> None:
        self.calls.append("start")
        self.ops.clear()
        self._task = asyncio.create_task(self._drive(t0, until))

    async def _drive(self, t0: float, until: float) -> None:
        loop = asyncio.get_running_loop()
        n = 0
        while (t := loop.time() - t0) < until:
            self.ops.append(Op(t, t, t + 0.01, "text", "send", "app", "u1", f"u1-{n:06}", self._ask(t)))
            n += 1
            await asyncio.sleep(self._every)

    def success(self, seconds: float) -> Mapping[str, tuple[int, int]]:
        lately = [op for op in self.ops if op.t >= self.ops[-1].t - seconds]
        return {"text": (sum(op.ok for op in lately), len(lately))} if lately else {}

    async def drain(self) -> None:
        self.calls.append("drain")
        assert self._task is not None
        await self._task
        if self.failing:
            raise ChaosError("the load was killed")

    def notes(self) -> Sequence[Note]:
        return self.noticed

    async def readback(self) -> None:
        self.calls.append("readback")

    async def stop(self) -> None:
        self.calls.append("stop")
        if self._task is not None:
            self._task.cancel()
            await through(_ended(self._task))


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])
