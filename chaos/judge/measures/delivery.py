"""What became of acknowledged writes: lost, ghost or duplicated, found by reading everything back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from chaos.model import Op
from chaos.record.findings import Delivery, Writes
from chaos.record.journal import Journal, Line


@dataclass(frozen=True)
class Ledger:
    """The writes of one journey, and what was read back. Only acknowledged writes can be lost."""

    journey: str
    writes: tuple[tuple[Line, Op], ...]
    readbacks: tuple[tuple[Line, Op], ...]

    @cached_property
    def acked(self) -> Mapping[str, tuple[Line, Op]]:
        return {op.id: (n, op) for n, op in self.writes if op.ok}

    @cached_property
    def unread(self) -> tuple[tuple[Line, Op], ...]:
        """Acknowledged writes of users whose read-back is missing or incomplete, so that their state is unknown."""
        read = {user for user, pages in self._pages.items() if _complete([op for _, op in pages])}
        return tuple((n, op) for n, op in self.acked.values() if op.user not in read and op.id not in self._found)

    @property
    def failed_readbacks(self) -> tuple[Line, ...]:
        """The lines of pages that could not be read, and of the last page before a missing one."""
        cut = [pages for pages in self._pages.values() if not _complete([op for _, op in pages])]
        return tuple(sorted(n for pages in cut for n, op in pages if not op.ok or (n, op) == pages[-1]))

    @cached_property
    def _pages(self) -> Mapping[str, list[tuple[Line, Op]]]:
        found: dict[str, list[tuple[Line, Op]]] = defaultdict(list)
        for n, op in self.readbacks:
            found[op.user].append((n, op))
        return found

    @cached_property
    def lost(self) -> tuple[tuple[Line, Op], ...]:
        """Acknowledged writes that are missing, although everything of that user was read."""
        unread = {op.id for _, op in self.unread}
        return tuple((n, op) for i, (n, op) in self.acked.items() if i not in self._found and i not in unread)

    @cached_property
    def ghost(self) -> tuple[tuple[Line, Op], ...]:
        """Writes that were definitely refused but are present. A write that was retried under its id and accepted is no
        ghost.
        """
        possible = {op.id for _, op in self.writes if op.result != "fail"}
        return tuple((n, op) for n, op in self.writes if op.id in self._found and op.id not in possible)

    @cached_property
    def duplicated(self) -> tuple[tuple[Line, Op], ...]:
        """Writes that are present more than once, whatever their answer was: the id makes a write idempotent."""
        last = {op.id: (n, op) for n, op in self.writes}
        return tuple((n, op) for i, (n, op) in last.items() if self._found[i] > 1)

    @cached_property
    def _found(self) -> Counter[str]:
        """How often each id was found. A page that is recorded twice counts once."""
        once = {(op.user, op.page or -n): op for n, op in self.readbacks}
        return Counter(i for op in once.values() for i in op.ids)


def _complete(pages: Sequence[Op]) -> bool:
    """Whether a user's read-back is complete. In records without pages, whether no read of it failed."""
    if not all(op.ok for op in pages):
        return False
    numbers = sorted(op.page for op in pages)
    if not any(numbers):
        return True
    return numbers == list(range(1, len(pages) + 1)) and [op.page for op in pages if op.last] == [len(pages)]


def ledgers(journal: Journal) -> tuple[Ledger, ...]:
    """One ledger for each journey that was read back or has acknowledged writes; sorted.

    Empty if nothing at all was read back. Records older than the `write` mark do not say which operations were writes;
    in these only the journeys that were read back are judged.
    """
    back = [(n, op) for n, op in enumerate(journal.ops, 1) if op.op == "readback"]
    if not back:
        return ()
    journeys = {op.journey for _, op in back} | {op.journey for _, op in journal.writes if op.write and op.ok}
    return tuple(
        Ledger(
            journey,
            tuple((n, op) for n, op in journal.writes if op.journey == journey),
            tuple((n, op) for n, op in back if op.journey == journey),
        )
        for journey in sorted(journeys)
    )


def rpo_s(journal: Journal, ledger: Ledger) -> float | None:
    """Seconds between the acknowledgement of the oldest lost write and the fault that lost it; 0.0 if none is lost.

    That fault is the first change of any fault after the acknowledgement, because a write may also be lost when the old
    primary comes back and is rolled back. None if some writes could not be read back and none is known to be lost.
    """
    if not ledger.lost:
        return None if ledger.unread else 0.0
    changes = sorted(e.t for kind in ("fault.inject", "fault.heal") for _, e in journal.of(kind))
    last = max([op.end for _, op in ledger.lost])
    return max(next((t for t in changes if t >= op.end), last) - op.end for _, op in ledger.lost)


def delivery(journal: Journal) -> Delivery | None:
    """Totals and counts for each journey; None if nothing was read back."""
    per = {ledger.journey: _counts(ledger) for ledger in ledgers(journal)}
    if not per:
        return None
    columns = zip(*(msgspec.structs.astuple(x) for x in per.values()), strict=True)
    acked, lost, ghost, duplicated, unread = map(sum, columns)
    return Delivery(acked, lost, ghost, duplicated, unread, per)


def rpo(journal: Journal) -> dict[str, float | None]:
    """rpo_s of each journey, rounded."""
    found = ((x.journey, rpo_s(journal, x)) for x in ledgers(journal))
    return {journey: None if r is None else round(r, 3) for journey, r in found}


def _counts(ledger: Ledger) -> Writes:
    kinds = (ledger.acked, ledger.lost, ledger.ghost, ledger.duplicated, ledger.unread)
    return Writes(*map(len, kinds))
