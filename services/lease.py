"""The lease that decides which of two databases is primary: the rules of a voter, and nothing that waits or sends.

Each voter keeps one record a lease. A holder needs a majority of voters, counts its time from *before* it asked and
stops early (`HOLD_S`); a voter counts from when it answered and waits the full `TTL_S`. So between two holders there is
always a gap, whatever the network does, as long as clocks run at the same speed within `DRIFT`.
"""

import msgspec

TTL_S = 0.9  # a voter lets nobody else in for so long after its last grant
DRIFT = 0.02  # clocks may differ in speed by this share
FENCE_S = 0.12  # what ending a server may take
HOLD_S = TTL_S * (1 - DRIFT) - FENCE_S  # a holder begins to end its server this long after it last asked in vain
RENEW_S = 0.2  # how often a holder asks
ASK_S = 0.25  # no answer in this time is no answer


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds a lease. `in_sync` lists the nodes that have every acknowledged write; None: nobody keeps count.

    Holders are numbered by `epoch`; a holder numbers what it says about `in_sync` by `version`, so that a delayed
    message can never bring an older list back.
    """

    epoch: int = 0
    version: int = 0
    holder: str = ""
    in_sync: tuple[str, ...] | None = None


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to become the holder: `record` is what the voter shall remember.

    `fresh` says that the claimant has no data: it may found a lease, never inherit one.
    `forced` says that an operator has decided so: being out of sync is then no reason to refuse.
    """

    record: Record
    fresh: bool = False
    forced: bool = False


class Answer(msgspec.Struct, frozen=True):
    """A voter's answer; `remaining_s` is how long its present record still counts.

    `why` is empty when granted; "held" is said only of a holder that was heard of since the voter started.
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
        # Having just started, a voter cannot know what it granted a moment ago: it assumes the worst.
        self.expires = now + TTL_S
        self._heard = False  # the holder, since this voter started

    def weigh(self, claim: Claim, now: float) -> Answer:
        """What `claim` would be answered, without a change."""
        return self._answer(self._objection(claim, now), now)

    def claim(self, claim: Claim, now: float) -> Answer:
        """Grant or refuse a claim."""
        why = self._objection(claim, now)
        if not why:
            self._grant(claim.record, now)
        return self._answer(why, now)

    def renew(self, record: Record, now: float) -> Answer:
        """Prolong the lease of its holder and take over what it says about `in_sync`.

        Only who has won a majority renews. So a voter that missed that election learns of it here.
        """
        mine = self.record
        if record.epoch < mine.epoch:
            return self._answer("superseded", now)
        if (record.epoch, record.holder) == (mine.epoch, mine.holder) and record.version < mine.version:
            return self._answer("overtaken", now)
        self._grant(record, now)
        return self._answer("", now)

    def release(self, record: Record, now: float) -> Answer:
        """Let others in at once; the holder has ended its server and will not use this epoch again."""
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
            return ""  # one node runs one server: it need not wait for itself
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
    """What a standby promises its primary: not to stand for election for `TTL_S`.

    There are only two candidates. So while the other one keeps still, a primary may go on even though every voter is
    gone: losing the tool that repairs must not break what works.
    """

    def __init__(self, now: float) -> None:
        self.until = now + TTL_S  # having just started, it may have promised a moment ago
        self.withheld = False

    def give(self, now: float) -> bool:
        """Promise once more, unless this node stands for election or has won one."""
        if not self.withheld:
            self.until = max(self.until, now + TTL_S)
        return not self.withheld
