"""Notifies push of new items without waiting: a bounded queue and one background task."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from services.common import metrics
from services.common.calls import Call, Peers
from services.common.errors import Refused, Uncertain
from services.common.identity import vouch
from services.common.settings import Address

QUEUE = 1000  # notifications that may wait; beyond that the oldest one is dropped, which is the least useful
COURIERS = 4


class Nudges:
    """A Part (web.py). A notification is lost when push is down; the message itself is not."""

    name = "push"

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._peers = Peers("push", addresses, hopeful=False)
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=QUEUE)
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._length = metrics.QUEUED.labels("push")
        self._dropped = metrics.DROPPED.labels("push")

    def tell(self, user: str, item: Mapping[str, object]) -> None:
        if len(self._waiting) == QUEUE:
            self._dropped.inc()
        self._waiting.append((user, msgspec.json.encode(item)))
        self._length.set(len(self._waiting))
        self._something.set()

    async def start(self) -> None:
        await self._peers.start()
        self._tasks = [asyncio.create_task(self._carry()) for _ in range(COURIERS)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._peers.stop()

    def missing(self) -> str | None:
        return None

    async def _carry(self) -> None:
        while True:
            while not self._waiting:
                self._something.clear()
                await self._something.wait()
            user, item = self._waiting.popleft()
            self._length.set(len(self._waiting))
            with contextlib.suppress(Refused, Uncertain):
                await self._peers.ask(Call("POST", "/nudges", vouch(user), item))
