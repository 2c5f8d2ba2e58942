"""Conditions that are checked every second: one that holds long enough ends the run, or one fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chaos.errors import ChaosError, Stopped
from chaos.experiment.plan import StopSpec
from chaos.protocols import Load, Probe, Sink
from chaos.waiting import wait_until

EVERY = 1.0  # seconds between two checks
ROUNDING = 1e-6  # seconds

Look = Callable[[], Awaitable[float | None]]  # None: there is no value at the moment


def users(load: Load, spec: StopSpec) -> Look:
    """The share of users' operations that succeeded in the last `spec.over` seconds."""

    async def look() -> float | None:
        seen = load.success(spec.over)
        counts = list(seen.values()) if spec.of == "all" else [seen[spec.of]] if spec.of in seen else []
        n = sum(every for _, every in counts)
        return sum(ok for ok, _ in counts) / n if n else None

    return look


def measured(probe: Probe) -> Look:
    """The single value that a probe yields."""

    async def look() -> float | None:
        return next(iter((await probe.sample()).values()), None)

    return look


@dataclass(frozen=True)
class StopCondition:
    """A condition. Every check is recorded as a probe.sample of the condition's id, or as a probe.error."""

    spec: StopSpec
    look: Look

    async def refuses(self) -> str:
        """Why the run must not start under this condition: it has no value, or it holds already. Empty if the run may
        start.
        """
        try:
            value = await self.look()
        except (ChaosError, OSError, TimeoutError) as e:
            return f"{self.spec.id} cannot be checked: {str(e) or type(e).__name__}"
        if value is None:
            return f"{self.spec.id} has no value of {self.spec.subject}"
        return f"{self.spec.id} holds already: {self._found(value)}" if self.spec.holds(value) else ""

    async def watch(self, sink: Sink) -> None:
        """Check until cancelled. When the condition has held for its time, record it and raise Stopped."""
        value = await self.held(sink)
        sink.emit("run.stopped", self.spec.id, condition=self.spec.words, value=value)
        raise Stopped(f"{self.spec.id}: {self._found(value)}")

    async def held(self, sink: Sink) -> float:
        """Check until the condition has held for its time; return the value at that moment.

        A check without a value neither starts nor resets that time: Prometheus may be in the zone that failed.
        """
        now = asyncio.get_running_loop().time
        since: float | None = None

        async def long_enough() -> list[float]:
            nonlocal since
            value = await self._seen(sink)
            if value is None:
                return []
            if not self.spec.holds(value):
                since = None
                return []
            since = now() if since is None else since
            return [value] if now() - since >= self.spec.lasts - ROUNDING else []

        (value,) = await wait_until(long_enough, every=EVERY)
        return value

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
