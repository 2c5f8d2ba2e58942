"""Scheduled messages: stored in PostgreSQL until they are due, then posted by chat without asking the limiter."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable
from typing import Any

from services.common.db import Database
from services.common.errors import Refused, Uncertain
from services.common.nudge import Nudges
from services.common.settings import SETTINGS

SCHEMA = """
CREATE TABLE IF NOT EXISTS scheduled (
    id text COLLATE "C" PRIMARY KEY,
    sender text NOT NULL,
    recipient text NOT NULL,
    body text NOT NULL,
    due timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS scheduled_due ON scheduled (due);
"""
# A repeated request is confirmed again in its own commit (see chat.py); a message posted meanwhile is not posted again.
KEEP = """
INSERT INTO scheduled AS kept (id, sender, recipient, body, due)
SELECT $1::text, $2::text, $3::text, $4::text, now() + $5 * interval '1 second'
WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = $1 AND (sender, recipient, body) <> ($2, $3, $4))
ON CONFLICT (id) DO UPDATE SET due = kept.due
WHERE (kept.sender, kept.recipient, kept.body) = (excluded.sender, excluded.recipient, excluded.body)
RETURNING id
"""
POST = """
WITH due AS (
    DELETE FROM scheduled WHERE id IN (
        SELECT id FROM scheduled WHERE due <= now() ORDER BY due LIMIT 100 FOR UPDATE SKIP LOCKED
    ) RETURNING id, sender, recipient, body
)
SELECT id, sender, recipient, body FROM due WHERE post(id, sender, recipient, body) = 'done'
"""
LONGEST = 3600  # maximum seconds ahead
LOOK = 5.0  # seconds between checks for due messages of other instances, while none of this one's is due
LATE = 0.05  # seconds after the due time at which this instance's own message is fetched


class Scheduled:
    """A Part (web.py). A standby, which is not `active`, posts nothing."""

    name = "scheduled"

    def __init__(self, database: Database, nudges: Nudges) -> None:
        self._database, self._nudges = database, nudges
        self.active: Callable[[], bool] = lambda: SETTINGS.active
        self._due: list[float] = []  # heap of loop times at which this instance's own messages are due
        self._sooner = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._post())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def missing(self) -> str | None:
        return None

    async def keep(self, identity: str, sender: str, to: str, text: str, after: float) -> None:
        """Store a message to post `after` seconds. Raises Refused(409) if the id belongs to another message."""
        if not 0 <= after <= LONGEST:
            raise Refused(400, f"after_s: found {after}, expected 0 to {LONGEST} seconds")
        if not await self._database.write(KEEP, identity, sender, to, text, after):
            raise Refused(409, f"id {identity!r} belongs to another message; choose a new one")
        heapq.heappush(self._due, asyncio.get_running_loop().time() + after + LATE)
        self._sooner.set()

    async def _post(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            rows: list[Any] = []
            ordinary = now() + LOOK
            while self._due and self._due[0] <= now():
                heapq.heappop(self._due)
            if self.active():
                with contextlib.suppress(Refused, Uncertain):  # the database is unavailable: due messages stay due
                    rows = await self._database.write(POST)
            for row in rows:
                item = {"id": row["id"], "from": row["sender"], "text": row["body"][:80]}
                self._nudges.tell(row["recipient"], item)
            while (wait := min([ordinary, *self._due[:1]]) - now()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._sooner.wait()
                self._sooner.clear()
