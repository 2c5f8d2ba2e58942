"""The feed: a user's new messages from PostgreSQL, cached in Valkey; without PostgreSQL an old copy with its age."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common import metrics
from services.common.cache import Cache
from services.common.calls import Call, Peers
from services.common.chores import Leak
from services.common.db import Database
from services.common.errors import Unavailable, Uncertain
from services.common.identity import user_of, vouch
from services.common.messages import SCHEMA as MESSAGES
from services.common.settings import SETTINGS
from services.common.web import Part, Service, answer

FRESH = 2.0  # seconds for which a copy is served without asking PostgreSQL
COPY_LIFE = 24 * 3600  # seconds that a copy stays in Valkey
COPIES = 2000  # users whose last copy this process keeps, about 4 KB each
ITEMS = 20
ASK = 0.3  # seconds for auth to answer whether a user's feed is available

SCHEMA = f"""
{MESSAGES}
CREATE TABLE IF NOT EXISTS posts (
    id text COLLATE "C" PRIMARY KEY,
    author text NOT NULL,
    body text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS posts_at ON posts (at DESC);
INSERT INTO posts (id, author, body, at)
SELECT 'welcome-' || n, 'editor', 'Welcome: what you can do here, part ' || n, now() - n * interval '1 hour'
FROM generate_series(1, {ITEMS}) n ON CONFLICT DO NOTHING;
"""
NEWS = """
SELECT id, author, body, extract(epoch FROM at)::float8 AS at FROM (
    (SELECT id, sender AS author, body, at FROM messages WHERE recipient = $1 ORDER BY at DESC LIMIT $2)
    UNION ALL
    (SELECT id, author, body, at FROM posts ORDER BY at DESC LIMIT $2)
) news ORDER BY at DESC, id LIMIT $2
"""


class Copy(msgspec.Struct):
    """What a user was shown, and when it was read from PostgreSQL (seconds since the epoch)."""

    items: list[dict[str, Any]]
    at: float


def fresh(copy: Copy, now: float) -> bool:
    """Whether PostgreSQL need not be asked. A copy from the future does not count as fresh: a node's clock was
    ahead.
    """
    return 0 <= now - copy.at < FRESH


class Timeline:
    def __init__(self) -> None:
        self.database = Database(SCHEMA)
        self.cache = Cache()
        self.worker = Leak(5.5)
        self.auth = Peers("auth", SETTINGS.peers("AUTH"), hopeful=False)
        self._checks = int(SETTINGS.number("PAGE_CHECKS", 5))
        self._copies: OrderedDict[str, Copy] = OrderedDict()
        # COPY_PREAGE: the age of the copies that a refresh falls back on when no back end has the feed (seconds).
        preage = SETTINGS.number("COPY_PREAGE", 0.0)
        self._night = time.time() - preage if preage else None

    async def refresh(self, request: Request) -> Response:
        user = user_of(request)
        self.worker.serve()
        copy = await self._cached(user)
        if not await self._feeds(request, user):
            if copy is None:
                raise Unavailable("a session back end has no feed of this user, and there is no copy of it")
            return self._show(self._aged(copy), stale=True)
        if copy is not None and fresh(copy, time.time()):
            return self._show(copy, stale=False)
        try:
            copy = await self._read(user)
        except Unavailable as error:
            if copy is None:
                raise Unavailable(f"no feed and no copy of it for this user: {error.problem}") from error
            return self._show(copy, stale=True)
        await self._keep(user, copy)
        return self._show(copy, stale=False)

    async def _feeds(self, request: Request, user: str) -> bool:
        """Whether the session back ends have this user's feed. If auth cannot be asked, the database is used."""
        headers = {"X-Request-Id": request.scope["request_id"], **vouch(user)}
        call = Call("GET", f"/auth/feed?checks={self._checks}", headers, again=True, safe=True, budget=ASK)
        with contextlib.suppress(Unavailable, Uncertain):
            return (await self.auth.ask(call)).status != 403
        return True

    def _aged(self, copy: Copy) -> Copy:
        """The copy to fall back on: the last one, reduced to what existed when last night's was made."""
        if self._night is None:
            return copy
        return Copy([item for item in copy.items if item["at"] <= self._night], self._night)

    async def _cached(self, user: str) -> Copy | None:
        """The newest available copy: from Valkey, else from this process."""
        own = self._copies.get(user)
        try:
            text = await self.cache.read("GET", _key(user))
        except Unavailable:
            return own
        shared = msgspec.json.decode(text, type=Copy) if text is not None else None
        return max((copy for copy in (own, shared) if copy), key=lambda copy: copy.at, default=None)

    async def _read(self, user: str) -> Copy:
        begun = time.time()
        rows = await self.database.read(NEWS, user, ITEMS)
        return Copy(
            [{"id": row["id"], "from": row["author"], "text": row["body"], "at": row["at"]} for row in rows], begun
        )

    async def _keep(self, user: str, copy: Copy) -> None:
        self._copies[user] = copy
        self._copies.move_to_end(user)
        if len(self._copies) > COPIES:
            self._copies.popitem(last=False)
        # Without Valkey the user still gets the feed; a later refresh that fails will not find this copy.
        with contextlib.suppress(Unavailable, Uncertain):
            await self.cache.write("SET", _key(user), msgspec.json.encode(copy), "EX", COPY_LIFE)

    def _show(self, copy: Copy, stale: bool) -> Response:
        age = max(0.0, time.time() - copy.at)
        metrics.STALENESS.observe(age)
        return answer({"items": copy.items, "age_s": round(age, 3), "stale": stale})


def _key(user: str) -> str:
    return f"timeline:{user}"


def main() -> None:
    timeline = Timeline()
    parts: list[Part] = [timeline.database, timeline.cache, timeline.auth]
    Service("timeline", [Route("/timeline", timeline.refresh)], parts=parts, admin=timeline.worker.routes).run()


if __name__ == "__main__":
    main()
