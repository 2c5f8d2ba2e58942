"""Session back ends: many small ones behind auth; each check goes to one of them, and not all run the same release.

One on the release of old reads the sessions that all share. One on the new release has a store of its own, which
nobody has filled: it knows only who logged in through it, and rejects the rest. `exposure` is the share of back ends
on the new release; with a grace another back end, or two, are asked before a session is rejected.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator

from services.common.cache import Cache
from services.common.settings import SETTINGS

COUNT = 100
GRACE = {"none": 1, "dual-read": 2, "triple-read": 3}  # back ends that are asked before a session is rejected


class Backends:
    """`exposure` 0 to 1; `reads` back ends are asked, one after the other, until one knows the session."""

    def __init__(self, cache: Cache, exposure: float, reads: int) -> None:
        self._cache = cache
        self._new = round(exposure * COUNT)
        self._reads = reads

    async def keep(self, session: str, user: str, life: int, request: str) -> None:
        """Where the old ones look, and, if a new one has served this log-in, in its own store. Raises as the cache."""
        (place,) = picks(request, 1)
        await self._cache.write("SET", _shared(session), user, "EX", life)
        if place < self._new:
            await self._cache.write("SET", _own(place, session), user, "EX", life)

    async def user(self, session: str, request: str) -> str | None:
        """Whose session it is, by the word of the back ends that this request meets. Raises Unavailable."""
        for place in picks(request, self._reads):
            key = _own(place, session) if place < self._new else _shared(session)
            if (found := await self._cache.read("GET", key)) is not None:
                return str(found.decode())
        return None

    def feeds(self, request: str, checks: int) -> bool:
        """Whether a refresh of `checks` calls meets a back end each that has the user's feed: no new one has any."""
        return all(
            any(place >= self._new for place in picks(f"{request}.{n}", self._reads)) for n in range(checks)
        )


def configured(cache: Cache) -> Backends:
    """As the environment says. Ends the program in words when it cannot be read."""
    exposure, grace = SETTINGS.number("SESSION_EXPOSURE", 0.0), SETTINGS.environment.get("SESSION_GRACE") or "none"
    if not 0 <= exposure <= 1:
        sys.exit(f"{SETTINGS.node}: SESSION_EXPOSURE: found {exposure}, expected a share from 0 to 1")
    if grace not in GRACE:
        sys.exit(f"{SETTINGS.node}: SESSION_GRACE: found {grace!r}, expected one of {', '.join(GRACE)}")
    return Backends(cache, exposure, GRACE[grace])


def picks(request: str, count: int) -> Iterator[int]:
    """`count` different back ends, the same for the same request, any as likely as any other."""
    seen: set[int] = set()
    turn = 0
    while len(seen) < count:
        digest = hashlib.blake2b(f"{request}:{turn}".encode(), digest_size=8).digest()
        place, turn = int.from_bytes(digest) % COUNT, turn + 1
        if place not in seen:
            seen.add(place)
            yield place


def _shared(session: str) -> str:
    return f"session:{session}"


def _own(place: int, session: str) -> str:
    return f"session@{place}:{session}"
