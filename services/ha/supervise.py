"""Supervises one database server: how it starts, when it may be primary, when it must end.

settle ──► follow  standby: streams from the peer, stands for election when the lease has expired
  ▲ │        ▼
  │ └────► serve   primary: keeps the lease, supervises its server and its standby
  └──────────┴───  every way out leads through settle, which asks the peer first
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from services.common.log import log
from services.ha.database import Database, Memory, Peer, Post, ServerFailed, Survey
from services.ha.election import NEVER, Election
from services.ha.leader_lease import RENEW_S, TTL_S, Pledge

HEARD_S = 0.5  # seconds for which a peer that said it is primary counts as alive
LOOK_S = 0.3  # seconds between a standby's checks whether the lease is free
HUNG_S = 0.6  # seconds without an answer after which a server is ended
GONE_S = 0.5  # seconds without an acknowledgement after which a standby leaves the synchronous set
STEADY_S = 1.0  # seconds of keeping up after which it rejoins
LOST_S = 3.0  # seconds without a stream, although there is a primary, after which a standby is copied again
PATIENCE_S = 2.0  # seconds that a former primary calls a silent peer before it relies on the voters alone
REST_S = 1.0  # seconds between two attempts after a failure
REVIVE_S = 1.5  # seconds for a crashed server to restart under the same lease


class Supervisor:
    """Runs `database` at `post`. Without an election (no voters) only an operator promotes."""

    def __init__(
        self,
        post: Post,
        database: Database,
        memory: Memory,
        peer: Peer,
        election: Election | None,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[str], None] = lambda role: None,
    ) -> None:
        self.role = "starting"
        self.survey: Survey | None = None
        self.forced = memory.read() == "forced"
        self.pledge = Pledge(clock())
        self._post = post
        self._database = database
        self._memory = memory
        self._peer = peer
        self._election = election
        self._clock = clock
        self._changed = changed
        self._lost = asyncio.Event()  # the lease is lost and the server has been ended
        self._order = asyncio.Event()  # an operator wants this node to be primary
        self._keeper: asyncio.Task[None] | None = None
        self._peer_seen = NEVER  # when the peer last said that it is primary
        self._alarm: asyncio.TimerHandle | None = None
        self._flowed = self._dried = clock()  # when the stream was last seen up, and last seen down
        self._enforced = False  # writes wait for the standby
        self._taking_in: asyncio.Task[None] | None = None
        self._humble_until = NEVER  # after failing as primary, let the peer try first

    async def run(self) -> None:
        """Run until cancelled. External failures end in settle and are retried; bugs are raised."""
        while True:
            try:
                await self._settle()
                if self.role == "standby":
                    await self._follow()
                if self.role == "primary":
                    await self._serve()
            except ServerFailed as error:
                log("server failed", level="error", role=self.role, error=str(error))
                await self._step_down(sick=True)
            self._show("starting")

    async def stop(self) -> None:
        """End the server gracefully, then admit the peer at once. `run` has been cancelled before."""
        await self._end_taking_in()
        await self._database.stop()
        await self._rest_keeper()
        self._database.kill()
        if self._election is not None:
            await self._election.release()

    async def promote_by_force(self) -> bool:
        """An operator's decision: become primary without the voters' consent.

        False if a majority says that another node holds the lease now. Returns once it is primary.
        """
        if self.role != "primary":
            if self._election is not None and (await self._election.look(forced=True)).holder:
                return False
            self.pledge.withheld = True
            self._order.set()
        while self.role != "primary":
            await asyncio.sleep(0.02)
        return True

    # settle -----------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Decide this node's role, and start its server accordingly."""
        database, post = self._database, self._post
        silent_since = self._clock()
        database.permit()
        self._lost.clear()
        while True:
            answer = await self._peer.role() if post.peer else None
            if answer is not None:
                silent_since = self._clock()
            if post.peer and answer == "primary" and not self._order.is_set():
                return await self._become_standby(post.peer, copy=True)
            exists, past = database.exists(), self._memory.read()
            if exists and (self.forced or (self._order.is_set() and past != "standby")):
                return await self._become_primary_by_force(running=False)
            if post.peer and exists and past == "standby":
                return await self._become_standby(post.peer, copy=False)
            if post.first and not exists:
                await database.create()
            silent = post.peer is not None and answer is None
            patient = silent and bool(past) and self._clock() < silent_since + PATIENCE_S
            if (past or post.first) and not patient and await self._win(fresh=not past):
                return await self._become_primary()
            await asyncio.sleep(RENEW_S)

    async def _win(self, fresh: bool) -> bool:
        """Get the lease for a server that is not running."""
        if self._election is None:
            return True
        if self._clock() < max(self._humble_until, self.pledge.until):
            return False
        self.pledge.withheld = True
        if (await self._election.look(fresh=fresh)).granted and await self._election.stand(self._alone, fresh=fresh):
            self._keep()
            return True
        self.pledge.withheld = False
        return False

    @property
    def epoch(self) -> int:
        """The epoch of the lease that this node holds; 0 if it holds none."""
        return self._election.record.epoch if self._election else 0

    @property
    def _alone(self) -> tuple[str, ...] | None:
        return (self._post.node,) if self._post.sync else None

    async def _become_primary(self) -> None:
        self._memory.write("primary")
        # No write waits for a standby yet, and the voters know that only this node is in sync.
        await self._database.start_primary(None)
        self._enter("primary", "primary")

    async def _become_primary_by_force(self, running: bool) -> None:
        self._memory.write("forced")
        self.forced = self.pledge.withheld = True
        # A primary may be relying on this node's last promise.
        await asyncio.sleep(max(0.0, self.pledge.until - self._clock()))
        await (self._database.promote() if running else self._database.start_primary(None))
        self._enter("primary", "forced")
        log("promoted by force", level="warning")

    async def _become_standby(self, peer: str, copy: bool) -> None:
        if copy and not (self._database.exists() and self._memory.read() == "standby"):
            await self._database.join(peer)
        await self._database.start_standby(peer)
        self.forced = self.pledge.withheld = False
        self._enter("standby", "standby")

    def _enter(self, role: str, past: str) -> None:
        if self._memory.read() != past:
            self._memory.write(past)
        self._flowed = self._dried = self._clock()
        self._enforced = False
        if role == "primary":
            self._order.clear()
        self._show(role)
        log("role", role=role, epoch=self.epoch)

    @property
    def _listed(self) -> bool:
        """Whether the voters would let the standby take over."""
        return self._election is not None and self._post.peer in (self._election.record.in_sync or ())

    def _show(self, role: str) -> None:
        if role == "starting":
            self.survey = None
        self.role = role
        self._changed(role)

    # serve ------------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        answered = self._clock()
        while not self._lost.is_set():
            self.survey = await self._database.survey()
            if self.survey is not None:
                answered = self._clock()
                await self._tend_standby(self.survey)
            elif self._clock() > answered + HUNG_S and not self._lost.is_set():
                if self._listed:
                    raise ServerFailed("the primary's server does not answer; its standby has every write")
                await self._revive()
                answered = self._clock()
            if self.forced and await self._legalise():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), RENEW_S)
        await self._step_down()

    async def _revive(self) -> None:
        """End a dead or hung server and start it again under the same lease, because no standby can take over."""
        log("server does not answer; ended and started again", level="warning")
        self._show("starting")
        self._database.kill()
        await self._end_taking_in()
        if self._lost.is_set():
            return
        self._database.permit()
        try:
            standby = self._post.peer if self._enforced else None
            await asyncio.wait_for(self._database.start_primary(standby), REVIVE_S)
        except TimeoutError:
            raise ServerFailed(f"not back within {REVIVE_S} s after it was ended") from None
        self._show("primary")

    async def _tend_standby(self, survey: Survey) -> None:
        """Invariant: writes wait for every node that the voters list as in sync. A node is listed last and removed
        first.
        """
        now = self._clock()
        if survey.flowing:
            self._flowed = now
        else:
            self._dried = now
        peer, election = self._post.peer, self._election
        if not (self._post.sync and peer and election) or self.forced or not election.held:
            return
        gone = now > self._flowed + GONE_S
        if self._enforced and gone and await election.announce((self._post.node,)):
            await self._database.require(None)
            self._enforced = False
            log("writes no longer wait for the standby", level="warning", standby=peer)
        if not self._enforced:
            await self._take_in(peer, gone, ready=survey.flowing and now > self._dried + STEADY_S)
        if self._enforced and survey.flowing and not self._listed:
            await election.announce(tuple(sorted((self._post.node, peer))))

    async def _take_in(self, peer: str, gone: bool, ready: bool) -> None:
        """Make writes wait for the standby, concurrently with the survey: if it fails meanwhile, they must not wait for
        long.

        The voters have not been told yet, so it can be undone without asking anybody.
        """
        taking = self._taking_in
        if taking is None:
            if ready:
                self._taking_in = asyncio.create_task(self._database.require(peer))
            return
        if not taking.done() and not gone:
            return
        if await self._end_taking_in():
            self._enforced = True
            log("writes wait for the standby", standby=peer)
        else:
            self._dried = self._clock()
            await self._database.require(None)
            log("standby did not catch up", level="warning", standby=peer)

    async def _end_taking_in(self) -> bool:
        """Finish taking it in; returns whether that succeeded."""
        taking, self._taking_in = self._taking_in, None
        if taking is None:
            return False
        taking.cancel()
        await asyncio.wait({taking})
        if taking.cancelled():
            return False
        error = taking.exception()
        if error is not None and not isinstance(error, ServerFailed):
            raise error
        return error is None

    async def _legalise(self) -> bool:
        """Get the lease for a primary that an operator made; True if another node holds it and this one has ended."""
        if self._election is None:
            return False
        outlook = await self._election.look(forced=True)
        if outlook.granted and await self._election.stand(self._alone, forced=True):
            self._keep()
            self._memory.write("primary")
            self.forced = False
        elif outlook.holder:
            # The voters decide: the other node is fenced by its lease, this one by nothing.
            log("another holds the lease; this primary ends", level="error", holder=outlook.holder)
            self._database.kill()
            self._memory.write("primary")
            self.forced = self.pledge.withheld = False
            return True
        return False

    # the lease --------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        assert self._keeper is None, "two keepers of one lease"
        self._lost.clear()
        self._keeper = asyncio.create_task(self._renew_for_ever())

    async def _renew_for_ever(self) -> None:
        """Renew, and end the server exactly when the lease expires without a renewal."""
        assert self._election is not None
        try:
            while not self._lost.is_set():
                begun = self._clock()
                self._set_alarm(self._election.held_until)
                await self._election.renew()
                self._set_alarm(self._election.held_until)
                await asyncio.sleep(max(0.0, begun + RENEW_S - self._clock()))
        finally:
            self._set_alarm(None)

    def _set_alarm(self, at: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if at is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.001, at - self._clock()), self._fence)

    def _fence(self) -> None:
        """Not a coroutine: between the alarm and the kill nothing else may run."""
        assert self._election is not None
        if self._election.held:
            return self._set_alarm(self._election.held_until)  # timers are less precise than the clock
        self._database.kill()
        self._election.forget()
        self._lost.set()
        self._show("starting")  # a server that has just been ended must not count as primary
        log("lease lost; the server has been ended", level="error")

    async def _rest_keeper(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def _step_down(self, sick: bool = False) -> None:
        """End the server and the lease. A sick server waits for a while, so that the peer gets its turn."""
        self._show("starting")  # a peer that hears "primary" would wait for this node
        self._database.kill()
        await self._end_taking_in()
        await self._rest_keeper()
        if sick:
            self._humble_until = self._clock() + 2 * TTL_S
            if self._election is not None:
                await self._election.release()
            await asyncio.sleep(REST_S)
        if not self.forced:
            self.pledge.withheld = False

    # follow -----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        peer = self._post.peer
        assert peer is not None
        listening = asyncio.create_task(self._listen_to_peer())
        try:
            await self._follow_until_called(peer)
        finally:
            listening.cancel()

    async def _listen_to_peer(self) -> None:
        """Runs beside `_follow`, so that a dead peer, which costs a time-out, delays nothing."""
        while True:
            if await self._peer.role() == "primary":
                self._peer_seen = self._clock()
            await asyncio.sleep(LOOK_S)

    async def _follow_until_called(self, peer: str) -> None:
        wait = RENEW_S
        surveyed = answered = NEVER
        while True:
            now = self._clock()
            if now >= surveyed + 2 * RENEW_S:
                self.survey, surveyed = await self._database.survey(), now
                if self.survey is not None:
                    answered = now
                if self.survey is not None and self.survey.flowing:
                    self._flowed = now
            if answered != NEVER and now > answered + HUNG_S:
                raise ServerFailed("the standby's server does not answer")
            if self._order.is_set():
                return await self._become_primary_by_force(running=True)
            if now > self._peer_seen + HEARD_S:
                self._flowed = now  # without a primary a missing stream is normal
            if now > self._flowed + LOST_S:
                return await self._copy_anew(peer)
            if self._election is not None:
                won, wait = await self._stand(self._election)
                if won:
                    return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._order.wait(), wait)

    async def _stand(self, election: Election) -> tuple[bool, float]:
        """Take the lease if it has expired: (promoted, seconds until asking again makes sense)."""
        outlook = await election.look()
        if not outlook.granted:
            self.pledge.withheld = False
            # Wake up exactly when a lease that is no longer renewed expires, or soon, in case it is given back.
            return False, min(max(outlook.wait_s, 0.02), LOOK_S)
        if (left := self._peer_seen + HEARD_S - self._clock()) > 0:
            # The peer may be primary by an operator's command, without a lease.
            return False, left
        self.pledge.withheld = True
        if (left := self.pledge.until - self._clock()) > 0:
            return False, left
        if not await election.stand(self._alone):
            self.pledge.withheld = False
            return False, 0.02
        self._keep()
        await self._database.promote()
        if self._lost.is_set():
            raise ServerFailed("the lease expired during the promotion")
        self._enter("primary", "primary")
        return True, 0.0

    async def _copy_anew(self, peer: str) -> None:
        log("no stream though the peer is primary; copying anew", level="warning", peer=peer)
        self._database.kill()
        self._memory.write("primary")  # whatever it was, it is not a copy of this primary
