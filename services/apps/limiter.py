"""Limits for users: writes a day and log-ins in a short time, counted in Valkey against stored quotas.

The quotas are data, stored when the limiter first starts. Without them it does not know what is allowed and refuses
everything: it fails closed. In the remedied posture it continues with a limit of its own, and restores the quotas.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.cache import Cache
from services.common.chores import Counted
from services.common.errors import Refused, Unavailable, Uncertain
from services.common.identity import user_of
from services.common.log import log
from services.common.settings import SETTINGS
from services.common.web import Service, answer

QUOTAS = "limiter:quotas"
ALLOWED = {"writes": 100_000, "logins": 8}  # initial quotas
SPAN = {"writes": 24 * 3600, "logins": 10}  # seconds that a count lasts
SAID = {"writes": "over the daily limit", "logins": "rate limit exceeded"}
BOUND = {"writes": 60, "logins": 4}  # what a user may do in MINUTE without quotas
MINUTE = 60.0  # seconds
AGAIN = 0.1  # seconds between attempts to reach Valkey at the start
# One script, so that two concurrent requests cannot both be the last one allowed. -1: there is no such quota.
COUNT = """
local quota = redis.call('HGET', KEYS[1], ARGV[1])
if not quota then return {-1, 0} end
local n = redis.call('INCR', KEYS[2])
if n == 1 then redis.call('EXPIRE', KEYS[2], ARGV[2]) end
return {tonumber(quota), n}
"""


class Quotas:
    """A Part (web.py): stores the quotas once, and again if they are missing.

    LIMITER_CLEANUP is a job that mistakes them for left-overs and deletes them.
    """

    name = "quotas"

    def __init__(self, cache: Cache, cleanup: bool) -> None:
        self._cache = cache
        self._cleanup = cleanup
        self._task: asyncio.Task[None] | None = None
        self._why: str | None = "the quotas have not been read yet"

    async def start(self) -> None:
        self._task = asyncio.create_task(self._begin())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def missing(self) -> str | None:
        return self._why

    async def _begin(self) -> None:
        while self._why is not None:
            try:
                await (self._delete() if self._cleanup else self.put())
                self._why = None
            except (Unavailable, Uncertain) as error:
                self._why = error.problem
                await asyncio.sleep(AGAIN)

    async def put(self) -> None:
        """Store the quotas that do not exist yet. Raises Unavailable, Uncertain."""
        for what, most in ALLOWED.items():
            await self._cache.write("HSETNX", QUOTAS, what, most)

    async def _delete(self) -> None:
        await self._cache.write("DEL", QUOTAS)
        log("cleanup", level="warning", deleted=QUOTAS)


class Bound:
    """What this process has admitted by itself: a user's count restarts every MINUTE."""

    def __init__(self) -> None:
        self._since = 0.0
        self._counts: dict[tuple[str, str], int] = {}

    def takes(self, what: str, user: str, now: float) -> bool:
        if now - self._since >= MINUTE:
            self._since, self._counts = now, {}
        count = self._counts[what, user] = self._counts.get((what, user), 0) + 1
        return count <= BOUND[what]


class Limiter:
    def __init__(self) -> None:
        self.cache = Cache()
        self.quotas = Quotas(self.cache, SETTINGS.flag("LIMITER_CLEANUP"))
        self.rebuilds = SETTINGS.flag("LIMITER_REBUILDS")
        self._bound = Bound()
        self.counted = Counted(15.0)

    async def count(self, request: Request) -> Response:
        what, user = request.path_params["what"], user_of(request)
        if what not in SPAN:
            raise Refused(404, f"limit: found {what[:40]!r}, expected one of {', '.join(SPAN)}")
        span = SPAN[what]
        if not self.counted.put(f"{what}:{user}"):
            raise _no(what, "the table of counters is full; purge the expired ones", span)
        begun = int(time.time()) // span
        quota, n = await self.cache.write("EVAL", COUNT, 2, QUOTAS, f"limiter:{what}:{begun}:{user}", what, span)
        if quota < 0:
            return await self._unknown(what, user)
        if n > quota:
            raise _no(what, f"{n} in {span} s, {quota} are allowed", span - int(time.time()) % span)
        return answer({"left": quota - n})

    async def _unknown(self, what: str, user: str) -> Response:
        if not self.rebuilds:
            raise _no(what, "the limiter has no quota for anybody", SPAN[what])
        with contextlib.suppress(Unavailable, Uncertain):
            await self.quotas.put()
            log("rebuilt", level="warning", quotas=QUOTAS)
        if not self._bound.takes(what, user, time.monotonic()):
            raise _no(what, f"its quota is gone, {BOUND[what]} a minute are allowed until it is back", int(MINUTE))
        return answer({"left": 0})


def _no(what: str, why: str, again: int) -> Refused:
    return Refused(429, f"{SAID[what]}: {why}", {"Retry-After": str(again)})


def main() -> None:
    limiter = Limiter()
    routes = [Route("/limits/{what}", limiter.count, methods=["POST"])]
    Service("limiter", routes, parts=[limiter.cache, limiter.quotas], admin=limiter.counted.routes).run()


if __name__ == "__main__":
    main()
