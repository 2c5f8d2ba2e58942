"""Asks the limiter before something is done for a user, and continues if the limiter cannot be reached."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.common.calls import Call, Peers
from services.common.errors import Refused, Unavailable, Uncertain
from services.common.identity import vouch
from services.common.settings import Address

BUDGET = 0.25  # seconds to wait for the limiter's answer


class Verdict(msgspec.Struct):
    error: str = ""


class Limits:
    """A Part (web.py). A limiter that is down stops no request; one that refuses does."""

    name = "limiter"

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._peers = Peers("limiter", addresses, hopeful=False)
        self._there = bool(addresses)

    async def start(self) -> None:
        await self._peers.start()

    async def stop(self) -> None:
        await self._peers.stop()

    def missing(self) -> str | None:
        return None

    async def ask(self, what: str, user: str) -> None:
        """Count one of `what` (writes, logins) for the user. Raises Refused(429) if the limiter refuses."""
        if not self._there:
            return
        try:
            reply = await self._peers.ask(Call("POST", f"/limits/{what}", vouch(user), budget=BUDGET))
        except (Unavailable, Uncertain):
            return
        if reply.status == 429:
            again = {k: v for k, v in reply.headers.items() if k.lower() == "retry-after"}
            raise Refused(429, msgspec.json.decode(reply.body, type=Verdict).error, again)
