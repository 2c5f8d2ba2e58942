"""Calls an instance of a component, starting with the last successful one, and never executes a call twice by
accident.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from services.common import metrics
from services.common.certificate import OWN
from services.common.errors import Unavailable, Uncertain
from services.common.peer import NoAnswer, NotSent, Peer, Reply
from services.common.settings import Address

ATTEMPT = 1.0  # seconds for one instance; services give up on their own stores after 0.8
BUDGET = 1.2  # seconds for all attempts together
PAUSE = 0.05  # seconds before unreached instances are tried again, doubled each time
LEAST = 0.1  # minimum seconds that must be left for another attempt


@dataclass(frozen=True)
class Call:
    """`again`: executing it twice does no harm, so it may be repeated after an uncertain outcome.

    `safe`: it changes nothing, so whatever the outcome, nothing was done.
    """

    method: str
    path: str  # encoded, with its query
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    again: bool = False
    safe: bool = False
    budget: float = BUDGET


def in_order(peers: Sequence[Peer]) -> list[Peer]:
    """Instances without doubts first, then those that served last; in the listed order while none has served."""
    return sorted(peers, key=lambda peer: (peer.doubtful, -peer.good_at))


class Peers:
    """A Part (web.py): all instances of one component."""

    def __init__(
        self,
        name: str,
        addresses: Sequence[Address],
        required: bool = False,
        hopeful: bool = True,
        peer: Callable[[Address], Peer] = Peer,
    ) -> None:
        """`required`: this program is not ready without one. `hopeful`: instances are tried even if all of them seem
        down.

        Refusing a user fails for certain, while "down" may only be this machine's own lack of processor time, for
        example during the boot storm of another zone. Callers that can do without the answer are not hopeful.
        """
        self.name = name
        self._peers = [peer(address) for address in addresses]
        self._required = required
        self._hopeful = hopeful

    async def start(self) -> None:
        for peer in self._peers:
            peer.watch()

    async def stop(self) -> None:
        await asyncio.gather(*(peer.close() for peer in self._peers))

    def missing(self) -> str | None:
        """Only a required component counts as missing."""
        if not self._required or any(peer.answered and not peer.down for peer in self._peers):
            return None
        return f"no instance of {self.name} answers"

    async def ask(self, call: Call) -> Reply:
        """The answer of the first instance that gives one. It may be a 4xx, or a 503 if all of them answered so.

        Raises Unavailable if no instance has seen the request, Uncertain (502, 504, 500) if one may have executed it.
        After an uncertain attempt, another instance's refusal proves nothing about the first one, so the outcome stays
        uncertain.
        """
        deadline = time.monotonic() + call.budget
        doubtful: Uncertain | None = None
        with metrics.dependency(self.name):
            try:
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type(Uncertain),
                    stop=stop_after_attempt(2 if call.again else 1),
                    wait=wait_random(0.005, 0.04),
                    reraise=True,
                ):
                    with attempt:
                        if doubtful is not None and deadline - time.monotonic() < LEAST:
                            raise doubtful
                        try:
                            reply = await self._round(call, deadline)
                        except Uncertain as error:
                            doubtful = error
                            raise
            except Unavailable:
                if doubtful is not None and not call.safe:
                    raise doubtful from None
                raise
        if doubtful is not None and not call.safe and (reply.refused or 400 <= reply.status < 500):
            raise doubtful
        return reply

    async def _round(self, call: Call, deadline: float) -> Reply:
        """One request to each instance in turn, repeated while none was reached and there is time.

        Raises Unavailable, Uncertain.
        """
        pause = PAUSE
        while True:
            try:
                return await self._each(call, deadline)
            except Unavailable:
                if not self._hopeful or deadline - time.monotonic() < LEAST + pause:
                    raise
                await asyncio.sleep(pause)
                pause *= 2  # a caller that is refused at once must not retry continuously

    async def _each(self, call: Call, deadline: float) -> Reply:
        refused: Reply | None = None
        unreached: list[str] = []
        standing = [peer for peer in self._peers if not peer.down]
        for peer in in_order(standing or (self._peers if self._hopeful else [])):
            left = deadline - time.monotonic()
            if left < LEAST:
                break
            try:
                headers = {**call.headers, **OWN.headers()}
                reply = await peer.ask(call.method, call.path, headers, call.body, min(ATTEMPT, left))
            except NotSent as error:
                unreached.append(str(error))
            except NoAnswer as error:
                raise Uncertain(str(error), error.status) from error
            else:
                if reply.status >= 500 and not reply.refused:
                    raise Uncertain(f"{peer.address} answered {reply.status}", reply.status)
                if not reply.refused:
                    return reply
                refused = refused or reply
        if refused is not None:
            return refused
        tried = "; ".join(unreached) or f"all of {', '.join(str(peer.address) for peer in self._peers)} are down"
        raise Unavailable(f"no instance of {self.name} was reached: {tried}; try again later")
