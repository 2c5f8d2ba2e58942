"""Everything that a run's probes with a tolerance hear, before and during the timeline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import registry
from chaos.experiment.plan import ProbeSpec
from chaos.probes.prober.contract import Heard
from chaos.probes.prober.hosted import Prober
from chaos.probes.prober.pace import Hear, Pace
from chaos.protocols import Target
from chaos.protocols.capabilities import HOST
from chaos.protocols.questions import Question

QUESTIONS = "chaos.probes.questions"


@dataclass(frozen=True)
class Recent:
    """The answers of one probe to recent questions. `why`: the last reason why one was not good."""

    ok: int = 0
    n: int = 0  # with those that could not be asked
    why: str = ""


class Watch:
    """The probes with a tolerance among `probes`. `run` is a task; the other methods are called beside it."""

    def __init__(self, probes: Sequence[ProbeSpec] = (), target: Target | None = None, run_dir: Path = Path()) -> None:
        self.probes = [p for p in probes if p.within is not None]
        made: dict[str, Question[Any]] = {
            p.name: registry.build(registry.load(QUESTIONS, p.kind), p.params) for p in self.probes
        }
        among = [p for p in self.probes if made[p.name].of_users]
        self._prober: Prober | None = None
        if among:
            assert target is not None, "it hosts the prober"
            self._prober = Prober(target.can.need(HOST), among, run_dir)
        own = [p for p in self.probes if not made[p.name].of_users]
        self._paces = [Pace(p, made[p.name], target, self._hear) for p in own]
        self._kept: list[Heard] = []  # until `begin`
        self._tell: Hear | None = None
        self._ready, self._over = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Ask until `drain`. Raises ChaosError if the prober cannot be started."""
        if self._prober:
            await self._prober.start()
        async with asyncio.TaskGroup() as every:
            for pace in self._paces:
                every.create_task(pace.run(self._over))
            if self._prober:
                every.create_task(self._prober.listen(self._hear))
            self._ready.set()

    async def ready(self) -> None:
        """Return when every probe is asking."""
        if self.probes:
            await self._ready.wait()

    def recent(self, since: float) -> Mapping[str, Recent]:
        """By probe, what was asked since a time of the loop's clock, and is answered. What is older is forgotten."""
        found = {p.name: Recent() for p in self.probes}
        self._kept = [one for one in self._kept if one.t >= since]
        for one in self._kept:
            r = found[one.probe]
            found[one.probe] = Recent(r.ok + bool(one.ok), r.n + 1, r.why if one.ok else one.why)
        return found

    def begin(self, since: float, tell: Hear) -> None:
        """Pass everything that was asked since that time to `tell`, and from now on every answer when it is heard."""
        self._tell = tell
        kept, self._kept = self._kept, []
        for one in kept:
            if one.t >= since:
                tell(one)

    async def drain(self) -> None:
        """Ask nothing more. `run` returns when the last question is answered."""
        self._over.set()
        if self._prober:
            await self._prober.drain()

    async def stop(self) -> None:
        """End everything at once. Idempotent."""
        self._over.set()
        if self._prober:
            await self._prober.stop()

    def _hear(self, one: Heard) -> None:
        if self._tell is None:
            self._kept.append(one)
        else:
            self._tell(one)
