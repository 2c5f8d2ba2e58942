"""Finds the one host of several that accepts writes by racing them, pings it, and drops it when it is silent.

A host without power drops packets silently, so every wait has a limit, and no connection is closed gracefully.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from services.common.errors import Unavailable
from services.common.log import log
from services.common.settings import Address

REACH = 0.3  # seconds for a host to show that it accepts writes, and to answer a ping
PING = 0.25  # seconds between pings
AGAIN = 0.1  # seconds between races while no host accepts writes
STALL = 0.1  # seconds by which our own alarm may be late before this program, not the host, counts as the cause

Link = TypeVar("Link")
Pool = TypeVar("Pool")


class Store(ABC, Generic[Link, Pool]):
    """A Part (web.py). Subclasses implement connecting, pinging and pooling for one kind of server."""

    faults: tuple[type[Exception], ...]  # exceptions of the driver that are not bugs

    def __init__(self, name: str, hosts: Sequence[Address]) -> None:
        self.name = name
        self._hosts = hosts
        self._address: Address | None = None
        self._pool: Pool | None = None
        self._doubt = asyncio.Event()
        self._why = "not reached yet"
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._watch())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._drop("stopped")

    def missing(self) -> str | None:
        return self._why if self._pool is None else None

    def pool(self) -> Pool:
        """The pool for the host that accepts writes. Raises Unavailable while there is none."""
        if self._pool is None:
            raise Unavailable(f"{self.name}: no host accepts writes ({self._why}); try again once it is back")
        return self._pool

    def doubt(self) -> None:
        """A call failed: ping the host now instead of at the next interval."""
        self._doubt.set()

    @abstractmethod
    async def _reach(self, address: Address) -> Link:
        """Open a separate connection, not from the pool. Raises `faults`."""

    @abstractmethod
    async def _ping(self, link: Link) -> bool:
        """Whether the host accepts writes. Raises `faults`."""

    @abstractmethod
    def _hang_up(self, link: Link) -> None:
        """Close a connection without telling the other side."""

    @abstractmethod
    async def _open(self, address: Address) -> Pool: ...

    @abstractmethod
    def _discard(self, pool: Pool) -> None:
        """Close a pool at once; waiting callers get an error."""

    def _ended(self, watch: asyncio.Task[None]) -> None:
        """The watch ends when it is stopped. Anything else is a bug, and must not leave a pool without a watcher."""
        if not watch.cancelled() and (error := watch.exception()) is not None:
            log("bug", level="error", store=self.name, error=repr(error))
            self._drop(f"its watch has ended: {error!r}; restart this program")

    async def _watch(self) -> None:
        while True:
            begun = time.monotonic()
            found = await self.find()
            if found is not None:
                await self.stay(*found)
            elif time.monotonic() - begun < REACH + STALL:
                self._drop(f"none of {', '.join(map(str, self._hosts)) or 'no hosts'} accepts writes")
            # Otherwise the alarm was late: this program got no CPU, which says nothing about the hosts.
            if self._pool is None:
                await asyncio.sleep(AGAIN)

    async def stay(self, address: Address, link: Link) -> None:
        try:
            await self._adopt(address)
            await self._hold(link)
        except self.faults as error:
            # A single missed ping may be chance: the pool stays while the race asks the same host once more.
            log("doubt", store=self.name, host=str(address), error=repr(error))
            self._why = repr(error)
        finally:
            self._hang_up(link)

    async def find(self) -> tuple[Address, Link] | None:
        """The first host that shows that it accepts writes; None after REACH at most, however many are dead."""
        asked = {asyncio.create_task(self._answer(address)): address for address in self._hosts}
        waiting = set(asked)
        winner: tuple[Address, Link] | None = None
        while waiting and winner is None:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                link = task.result()
                if link is not None and winner is None:
                    winner = asked[task], link
                elif link is not None:
                    self._hang_up(link)
        for task in waiting:
            task.cancel()
        return winner

    async def _answer(self, address: Address) -> Link | None:
        """A connection to the host once it accepts writes. A standby is asked repeatedly until REACH is over.

        While the old primary's silence uses up the race, the new one may be promoted, and users are waiting.
        """
        link: Link | None = None
        try:
            async with asyncio.timeout(REACH):
                link = await self._reach(address)
                while not await self._ping(link):
                    await asyncio.sleep(AGAIN)
                return link
        except BaseException as error:
            if link is not None:
                self._hang_up(link)
            if isinstance(error, self.faults):
                return None
            raise

    async def _adopt(self, address: Address) -> None:
        if self._pool is not None and address == self._address:
            return
        self._drop("moving to another host")
        pool = await self._open(address)
        self._address, self._pool = address, pool
        log("reached", store=self.name, host=str(address))

    def _drop(self, why: str) -> None:
        self._why = why
        if self._pool is not None:
            log("lost", level="warning", store=self.name, host=str(self._address), why=why)
            pool, self._pool = self._pool, None
            self._discard(pool)

    async def _hold(self, link: Link) -> None:
        """Ping until the host no longer accepts writes, or until it fails, which raises one of `faults`."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING):
                    await self._doubt.wait()
            self._doubt.clear()
            async with asyncio.timeout(REACH):
                writable = await self._ping(link)
            if not writable:
                self._drop("the host no longer accepts writes")
                return
