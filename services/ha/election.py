"""A candidate's side of the lease: asks all voters at once, and tracks what a majority has granted, and until when."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from services.ha.leader_lease import HOLD_S, RENEW_S, Answer, Claim, Record

NEVER = float("-inf")


class Voters(Protocol):
    """The connection to the voters and to the other candidate. Every call ends within `leader_lease.ASK_S` seconds."""

    async def ask(self, voter: str, act: str, body: Claim | Record) -> Answer | None:
        """weigh, claim, renew or release at one voter. None: no answer, so the outcome is unknown."""

    async def pledge(self) -> bool:
        """Whether the other candidate promised not to stand for `leader_lease.TTL_S`."""


class Outlook(NamedTuple):
    """The expected result of a claim.

    Whether a majority would grant it, who holds the lease there (empty: no node, or it is uncertain), and seconds until
    asking again makes sense.
    """

    granted: bool
    holder: str
    wait_s: float


class Election:
    """One candidate's position with the voters. `clock` gives seconds and never goes back."""

    def __init__(self, node: str, voters: Sequence[str], client: Voters, clock: Callable[[], float]) -> None:
        assert voters, "an election needs voters"
        self.record = Record()
        self._node = node
        self._voters = tuple(voters)
        self._client = client
        self._clock = clock
        self._seen = 0  # the highest epoch known
        self._asked: dict[str, float] = {}  # voter: when the last renewal that it granted was sent
        self._confirmed: dict[str, tuple[int, int]] = {}  # voter: the newest (epoch, version) that it confirmed
        self._pledged = NEVER  # when the last pledge was requested
        self._contested: set[str] = set()  # voters that know of a later epoch than ours
        self._one_round = asyncio.Lock()
        self._stragglers: set[asyncio.Task[None]] = set()

    @property
    def majority(self) -> int:
        return len(self._voters) // 2 + 1

    @property
    def held(self) -> bool:
        return self._clock() < self.held_until

    @property
    def held_until(self) -> float:
        """When this node must start to end its server, unless a renewal extends it."""
        if self.record.holder != self._node or len(self._contested) >= self.majority:
            return NEVER
        latest = sorted(self._asked.values(), reverse=True)
        voted = latest[self.majority - 1] if len(latest) >= self.majority else NEVER
        return max(voted, self._pledged) + HOLD_S

    async def look(self, *, fresh: bool = False, forced: bool = False) -> Outlook:
        """The expected result of a claim now. It changes nothing, so a candidate may ask at any time."""
        free_at: list[float] = []
        holders: list[str] = []

        def count(voter: str, answer: Answer) -> None:
            if answer.granted or answer.why in ("held", "too early"):
                free_at.append(self._clock() + (0.0 if answer.granted else answer.remaining_s))
            if answer.why == "held":
                holders.append(answer.record.holder)

        granted = await self._round("weigh", self._claim(None, fresh, forced), count) >= self.majority
        holder = next((name for name in holders if holders.count(name) >= self.majority), "")
        if len(free_at) < self.majority:
            return Outlook(False, holder, RENEW_S)
        return Outlook(granted, holder, max(0.0, sorted(free_at)[self.majority - 1] - self._clock()))

    async def stand(self, in_sync: tuple[str, ...] | None, *, fresh: bool = False, forced: bool = False) -> bool:
        """Claim the lease under a new epoch; returns whether a majority granted it."""
        async with self._one_round:
            return await self._stand(self._claim(in_sync, fresh, forced))

    async def renew(self) -> None:
        """One round of renewals; `held_until` shows the result."""
        async with self._one_round:
            await self._renew()

    async def announce(self, in_sync: tuple[str, ...]) -> bool:
        """Tell the voters who is in sync; returns whether a majority has confirmed it."""
        async with self._one_round:
            if in_sync != self.record.in_sync:
                self.record = msgspec.structs.replace(self.record, version=self.record.version + 1, in_sync=in_sync)
            await self._renew()
            told = (self.record.epoch, self.record.version)
            return sum(known >= told for known in self._confirmed.values()) >= self.majority

    async def release(self) -> None:
        """Give the lease back after the server has ended. The epoch is not used again."""
        async with self._one_round:
            record, self.record = self.record, Record()
            if record.holder == self._node:
                await self._round("release", record, lambda *_: None)

    def forget(self) -> None:
        """Stop relying on the lease without telling the voters, where it expires."""
        self.record = Record()

    def _claim(self, in_sync: tuple[str, ...] | None, fresh: bool, forced: bool) -> Claim:
        return Claim(Record(self._seen + 1, 0, self._node, in_sync), fresh, forced)

    async def _stand(self, claim: Claim) -> bool:
        sent, granted = self._clock(), set[str]()
        self._seen = max(self._seen, claim.record.epoch)

        def count(voter: str, answer: Answer) -> None:
            if answer.granted:
                granted.add(voter)

        if await self._round("claim", claim, count) < self.majority:
            return False
        self.record = claim.record
        self._asked = dict.fromkeys(granted, sent)
        self._confirmed = dict.fromkeys(granted, (claim.record.epoch, 0))
        self._contested.clear()
        self._pledged = NEVER
        return True

    async def _renew(self) -> None:
        if self._contested and self.held:
            # Another claim succeeded at a minority. A new epoch wins those voters back.
            await self._stand(Claim(Record(self._seen + 1, 0, self._node, self.record.in_sync)))
            return
        record, sent = self.record, self._clock()

        def count(voter: str, answer: Answer) -> None:
            if record.epoch != self.record.epoch:
                return
            if answer.granted:
                self._asked[voter] = max(sent, self._asked.get(voter, sent))
                told = (record.epoch, record.version)
                self._confirmed[voter] = max(told, self._confirmed.get(voter, told))
                self._contested.discard(voter)
            elif answer.why == "superseded":
                self._contested.add(voter)

        await self._round("renew", record, count)
        fresh = sum(asked >= sent for asked in self._asked.values())
        if fresh < self.majority and len(self._contested) < self.majority:
            await self._ask_pledge()

    async def _ask_pledge(self) -> None:
        """Only a holder may rely on the pledge: it extends a lease, but never creates one."""
        sent, held = self._clock(), self.held
        if held and await self._client.pledge() and self.held:
            self._pledged = sent

    async def _round(self, act: str, body: Claim | Record, count: Callable[[str, Answer], None]) -> int:
        """Ask all voters at once; returns how many granted, as soon as the outcome is certain."""
        agreed = refused = 0

        async def one(voter: str) -> None:
            nonlocal agreed, refused
            answer = await self._client.ask(voter, act, body)
            if answer is not None:
                self._seen = max(self._seen, answer.record.epoch)
                agreed += answer.granted
                refused += not answer.granted
                count(voter, answer)

        waiting = {self._spawn(one(voter)) for voter in self._voters}
        while waiting and agreed < self.majority and refused <= len(self._voters) - self.majority:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return agreed

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._stragglers.add(task)
        task.add_done_callback(self._stragglers.discard)
        return task
