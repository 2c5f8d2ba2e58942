"""The lease that decides which of two databases is primary: the rules of a voter, without waiting or sending.

Each voter keeps one record for each lease. A holder needs a majority of voters, counts its time from *before* it asked,
and stops early (`HOLD_S`). A voter counts from its answer and waits the full `TTL_S`. So there is always a gap between
two holders, whatever the network does, as long as the clocks' speeds differ by less than `DRIFT`.
"""

import msgspec

TTL_S = 0.9  # seconds after its last grant in which a voter grants the lease to no other node
DRIFT = 0.02  # maximum relative difference in speed between clocks
FENCE_S = 0.12  # seconds that ending a server may take
HOLD_S = (
    TTL_S * (1 - DRIFT) - FENCE_S
)  # seconds after its last unanswered request at which a holder starts to end its server
RENEW_S = 0.2  # seconds between renewals
ASK_S = 0.25  # seconds to wait for an answer


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The holder of a lease. `in_sync` lists the nodes that have every acknowledged write; None: not tracked.

    Holders are numbered by `epoch`. A holder numbers its statements about `in_sync` by `version`, so that a delayed
    message can never restore an older list.
    """

    epoch: int = 0
    version: int = 0
    holder: str = ""
    in_sync: tuple[str, ...] | None = None


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to become the holder: `record` is what the voter should store.

    `fresh` says that the claimant has no data: it may start a lease, but never take one over. `forced` says that an
    operator has decided so: being out of sync is then no reason to refuse.
    """

    record: Record
    fresh: bool = False
    forced: bool = False


class Answer(msgspec.Struct, frozen=True):
    """A voter's answer; `remaining_s` is how long its present record is still valid.

    `why` is empty if granted; "held" is used only for a holder that was heard of since the voter started.
    """

    why: str
    record: Record
    remaining_s: float

    @property
    def granted(self) -> bool:
        return not self.why


class Seat:
    """One voter's memory of one lease. Times are seconds of that voter's own monotonic clock."""

    def __init__(self, record: Record, now: float) -> None:
        self.record = record
        # A voter that has just started cannot know what it granted a moment ago, so it assumes the worst.
        self.expires = now + TTL_S
        self._heard = False  # whether the holder was heard of since this voter started

    def weigh(self, claim: Claim, now: float) -> Answer:
        """The answer that `claim` would get, without a change."""
        return self._answer(self._objection(claim, now), now)

    def claim(self, claim: Claim, now: float) -> Answer:
        """Grant or refuse a claim."""
        why = self._objection(claim, now)
        if not why:
            self._grant(claim.record, now)
        return self._answer(why, now)

    def renew(self, record: Record, now: float) -> Answer:
        """Extend the lease of its holder, and store what it says about `in_sync`.

        Only the winner of a majority renews, so a voter that missed the election learns of it here.
        """
        mine = self.record
        if record.epoch < mine.epoch:
            return self._answer("superseded", now)
        if (record.epoch, record.holder) == (mine.epoch, mine.holder) and record.version < mine.version:
            return self._answer("overtaken", now)
        self._grant(record, now)
        return self._answer("", now)

    def release(self, record: Record, now: float) -> Answer:
        """Admit others at once: the holder has ended its server and will not use this epoch again."""
        if (record.epoch, record.holder) != (self.record.epoch, self.record.holder):
            return self._answer("superseded", now)
        self.expires = now
        return self._answer("", now)

    def _objection(self, claim: Claim, now: float) -> str:
        mine, asked = self.record, claim.record
        if asked.epoch <= mine.epoch:
            return "epoch"
        if claim.fresh and mine.epoch > 0:
            return "no data"
        if asked.holder == mine.holder:
            return ""  # a node runs only one server, so it does not have to wait for itself
        if now < self.expires:
            return "held" if self._heard else "too early"
        if mine.in_sync is not None and asked.holder not in mine.in_sync and not claim.forced:
            return "not in sync"
        return ""

    def _grant(self, record: Record, now: float) -> None:
        self.record = record
        self.expires = now + TTL_S
        self._heard = True

    def _answer(self, why: str, now: float) -> Answer:
        return Answer(why, self.record, max(0.0, self.expires - now))


class Pledge:
    """A standby's promise to its primary: not to stand for election for `TTL_S`.

    There are only two candidates. While the other one has promised, a primary may continue even if all voters are gone:
    the loss of the repair tool must not break what works.
    """

    def __init__(self, now: float) -> None:
        self.until = now + TTL_S  # it may have promised a moment before it started
        self.withheld = False

    def give(self, now: float) -> bool:
        """Promise again, unless this node stands for election or has won one."""
        if not self.withheld:
            self.until = max(self.until, now + TTL_S)
        return not self.withheld
