"""The harness's right to break things, renewed every second: one that stood still for long has lost it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from chaos.errors import LeaseLost

EVERY = 1.0  # seconds between two renewals
STILL = 7.0  # seconds without one after which we stop by ourselves: before the watchdog (LEASE) heals in our place


class Watch(Protocol):
    """Whoever heals in our place."""

    def renew(self) -> None: ...  # raises LeaseLost where it does so already
    def rest(self) -> None: ...  # no renewals for now, and that is in order
    def settle(self) -> None: ...  # blocks until it has healed, where it does


class Lease:
    """Without `watch` (in a box of our own) nobody heals in our place, but a run that stood still is spoilt as well.

    `now` counts seconds in which this machine was awake: a laptop that sleeps loses no lease, its stack slept as well.
    """

    def __init__(self, watch: Watch | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._watch, self._now = watch, now
        self._renewed: float | None = None
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """From now on something may be broken. Before, images are built and nobody has to hurry."""
        self._begun.set()

    def hold(self) -> None:
        """Asked right before each change. Raises LeaseLost."""
        if self._renewed is not None and (still := self._now() - self._renewed) > STILL:
            raise LeaseLost(
                f"the harness stood still for {still:.0f} s (stopped, or a machine without time for it): the timeline "
                "is spoilt and others may have healed in its place; nothing more is broken. Run it again"
            )

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[asyncio.Task[None]]:
        """Renewed from `begin` to the end of the block. The task inside ends with LeaseLost when it could not be."""
        keeper = asyncio.create_task(self._keep())
        try:
            yield keeper
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
            if not keeper.cancelled():
                keeper.exception()  # whoever waited for it has raised it
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

    async def settled(self) -> None:
        """Returns when nobody heals in our place (any more): two who heal at once get into each other's way."""
        if self._watch:
            await asyncio.to_thread(self._watch.settle)
