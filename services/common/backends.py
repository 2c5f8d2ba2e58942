"""Session back ends: many small ones behind auth. Each check is answered by one of them, and their releases differ.

Back ends on the old release read the sessions that all of them share. Those on the new release have stores of their
own, which were never filled: they only know sessions created by themselves, and reject the others. `exposure` is the
share of back ends on the new release. With a grace, one or two other back ends are asked before a session is rejected.
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
    """`exposure` 0 to 1; up to `reads` back ends are asked, one after the other, until one knows the session."""

    def __init__(self, cache: Cache, exposure: float, reads: int) -> None:
        self._cache = cache
        self._new = round(exposure * COUNT)
        self._reads = reads

    async def keep(self, session: str, user: str, life: int, request: str) -> None:
        """Store a session in the shared store, and in a new back end's own store if that served the log-in. Raises as
        the cache.
        """
        (place,) = picks(request, 1)
        await self._cache.write("SET", _shared(session), user, "EX", life)
        if place < self._new:
            await self._cache.write("SET", _own(place, session), user, "EX", life)

    async def user(self, session: str, request: str) -> str | None:
        """The user of a session, according to the back ends that this request meets. Raises Unavailable."""
        for place in picks(request, self._reads):
            key = _own(place, session) if place < self._new else _shared(session)
            if (found := await self._cache.read("GET", key)) is not None:
                return str(found.decode())
        return None

    def feeds(self, request: str, checks: int) -> bool:
        """Whether all `checks` calls of a refresh meet back ends with the user's feed, which new back ends do not
        have.
        """
        return all(any(place >= self._new for place in picks(f"{request}.{n}", self._reads)) for n in range(checks))


def configured(cache: Cache) -> Backends:
    """Back ends as configured in the environment. Ends the program with a message if that is invalid."""
    exposure, grace = SETTINGS.number("SESSION_EXPOSURE", 0.0), SETTINGS.environment.get("SESSION_GRACE") or "none"
    if not 0 <= exposure <= 1:
        sys.exit(f"{SETTINGS.node}: SESSION_EXPOSURE: found {exposure}, expected a share from 0 to 1")
    if grace not in GRACE:
        sys.exit(f"{SETTINGS.node}: SESSION_GRACE: found {grace!r}, expected one of {', '.join(GRACE)}")
    return Backends(cache, exposure, GRACE[grace])


def picks(request: str, count: int) -> Iterator[int]:
    """`count` different back ends, chosen uniformly, and always the same for the same request."""
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
