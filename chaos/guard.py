"""Conditions, looked at every second while faults may bite: one that held for long enough ends the run or a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chaos.errors import ChaosError, Stopped
from chaos.plan import StopSpec
from chaos.protocols import Load, Probe, Sink

EVERY = 1.0  # seconds between two looks
ROUNDING = 1e-6  # seconds

Look = Callable[[], Awaitable[float | None]]  # None: there is nothing to see right now


def users(load: Load, spec: StopSpec) -> Look:
    """The share of their operations that went well in the last `spec.over` seconds."""

    async def look() -> float | None:
        seen = load.success(spec.over)
        counts = list(seen.values()) if spec.of == "all" else [seen[spec.of]] if spec.of in seen else []
        n = sum(every for _, every in counts)
        return sum(ok for ok, _ in counts) / n if n else None

    return look


def measured(probe: Probe) -> Look:
    """The one number that a probe comes to."""

    async def look() -> float | None:
        return next(iter((await probe.sample()).values()), None)

    return look


@dataclass(frozen=True)
class Guard:
    """Every look is a probe.sample of the condition's id in the journal, or a probe.error."""

    spec: StopSpec
    look: Look

    async def refuses(self) -> str:
        """Why nothing may be broken under this guard: it sees nothing, or holds already. Empty where it agrees."""
        try:
            value = await self.look()
        except (ChaosError, OSError, TimeoutError) as e:
            return f"{self.spec.id} cannot be looked at: {str(e) or type(e).__name__}"
        if value is None:
            return f"{self.spec.id} sees nothing: no value of {self.spec.subject}"
        return f"{self.spec.id} holds already: {self._found(value)}" if self.spec.holds(value) else ""

    async def watch(self, sink: Sink) -> None:
        """Look until cancelled. Raises Stopped, and says so before, when the condition has held for its time."""
        value = await self.held(sink)
        sink.emit("run.stopped", self.spec.id, condition=self.spec.words, value=value)
        raise Stopped(f"{self.spec.id}: {self._found(value)}")

    async def held(self, sink: Sink) -> float:
        """Look until the condition has held for its time; the value it had then.

        A look that sees nothing neither begins nor ends that time: Prometheus may stand in the zone that burns.
        """
        now = asyncio.get_running_loop().time
        since: float | None = None
        while True:
            value = await self._seen(sink)
            if value is not None and not self.spec.holds(value):
                since = None
            elif value is not None:
                since = now() if since is None else since
                if now() - since >= self.spec.lasts - ROUNDING:
                    return value
            await asyncio.sleep(EVERY)

    async def _seen(self, sink: Sink) -> float | None:
        try:
            value = await self.look()
        except (ChaosError, OSError, TimeoutError) as e:
            sink.emit("probe.error", self.spec.id, error=str(e) or type(e).__name__)
            return None
        if value is not None:
            sink.emit("probe.sample", self.spec.id, value=value)
        return value

    def _found(self, value: float) -> str:
        return f"{self.spec.words}, it is {self.spec.figure(value)}"
