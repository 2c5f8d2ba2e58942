"""The harness's permission to break things: renewed every second, and lost if the harness stalls for too long."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from chaos.errors import LeaseLost

EVERY = 1.0  # seconds between two renewals
STILL = 7.0  # seconds without a renewal after which the harness stops by itself: less than the watchdog's LEASE


class Watch(Protocol):
    """The process that heals if the harness cannot."""

    def renew(self) -> None: ...  # raises LeaseLost if it is already healing
    def rest(self) -> None: ...  # no renewals are expected for now
    def settle(self) -> None: ...  # blocks while it is healing
    def abandon(self) -> None: ...  # the harness could not heal: keep trying after the harness has ended


class Lease:
    """Tracks renewals. Without `watch` (in a box of our own) no other process heals, but a stall still spoils the run.

    `now` counts the seconds in which this machine was awake: while a laptop sleeps, its stack sleeps as well.
    """

    def __init__(self, watch: Watch | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._watch, self._now = watch, now
        self._renewed: float | None = None
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """From now on things may be broken. Before that, images may be built for as long as it takes."""
        self._begun.set()

    def hold(self) -> None:
        """Check the lease; called right before each change. Raises LeaseLost."""
        if self._renewed is not None and (still := self._now() - self._renewed) > STILL:
            raise LeaseLost(
                f"the harness stood still for {still:.0f} s (stopped, or the machine was overloaded): the timeline "
                "is spoilt and the watchdog may have healed in its place; no more faults are injected. Run it again"
            )

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[asyncio.Task[None]]:
        """Renew the lease from `begin` to the end of the block. The yielded task ends with LeaseLost if that fails."""
        keeper = asyncio.create_task(self._keep())
        try:
            yield keeper
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
            if not keeper.cancelled():
                keeper.exception()  # retrieved here because the code that awaited the task has already raised it
            if self._watch:
                self._watch.rest()

    async def _keep(self) -> None:
        await self._begun.wait()
        while True:
            self.hold()
            if self._watch:
                self._watch.renew()
            self._renewed = self._now()
            await asyncio.sleep(EVERY)

    def abandon(self) -> None:
        """The harness gave up healing; the watchdog continues."""
        if self._watch:
            self._watch.abandon()

    async def settled(self) -> None:
        """Return when the watchdog is not healing: two processes that heal at once would interfere with each other."""
        if self._watch:
            await asyncio.to_thread(self._watch.settle)
