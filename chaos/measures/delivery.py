"""What became of acknowledged writes: lost, ghost, duplicated, found by reading everything back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chaos.journal import Journal, Line
from chaos.model import Op


@dataclass(frozen=True)
class Ledger:
    """One journey's writes beside what was read back. Only an acknowledged write can convict."""

    journey: str
    writes: tuple[tuple[Line, Op], ...]
    readbacks: tuple[tuple[Line, Op], ...]

    @cached_property
    def acked(self) -> Mapping[str, tuple[Line, Op]]:
        return {op.id: (n, op) for n, op in self.writes if op.ok}

    @cached_property
    def unread(self) -> tuple[tuple[Line, Op], ...]:
        """Acknowledged writes of users whose read-back is missing or broke off: nobody can say where they are."""
        broken = {op.user for _, op in self.readbacks if not op.ok}
        read = {op.user for _, op in self.readbacks} - broken
        return tuple((n, op) for n, op in self.acked.values() if op.user not in read and op.id not in self._found)

    @property
    def failed_readbacks(self) -> tuple[Line, ...]:
        return tuple(n for n, op in self.readbacks if not op.ok)

    @cached_property
    def lost(self) -> tuple[tuple[Line, Op], ...]:
        """Acknowledged, everything of that user was read, and it is not there."""
        unread = {op.id for _, op in self.unread}
        return tuple((n, op) for i, (n, op) in self.acked.items() if i not in self._found and i not in unread)

    @cached_property
    def ghost(self) -> tuple[tuple[Line, Op], ...]:
        """Refused for certain, and there. A write tried again under its id and then taken is no ghost."""
        possible = {op.id for _, op in self.writes if op.result != "fail"}
        return tuple((n, op) for n, op in self.writes if op.id in self._found and op.id not in possible)

    @cached_property
    def duplicated(self) -> tuple[tuple[Line, Op], ...]:
        """There more than once, whatever the answer was: the id makes a write idempotent."""
        last = {op.id: (n, op) for n, op in self.writes}
        return tuple((n, op) for i, (n, op) in last.items() if self._found[i] > 1)

    @cached_property
    def _found(self) -> Counter[str]:
        return Counter(i for _, op in self.readbacks for i in op.ids)


def ledgers(journal: Journal) -> tuple[Ledger, ...]:
    """One for each journey that was read back, sorted."""
    numbered = list(enumerate(journal.ops, 1))
    back = [(n, op) for n, op in numbered if op.op == "readback"]
    return tuple(
        Ledger(
            journey,
            tuple((n, op) for n, op in journal.writes if op.journey == journey),
            tuple((n, op) for n, op in back if op.journey == journey),
        )
        for journey in sorted({op.journey for _, op in back})
    )


def rpo_s(journal: Journal, ledger: Ledger) -> float | None:
    """Seconds between the acknowledgement of the oldest lost write and the blow that took it; 0.0 when none is lost.

    The blow is the first change of any fault after the acknowledgement: a write may be lost as well when the old
    primary comes back and is wound back. None when some writes could not be read back and none is known to be lost.
    """
    if not ledger.lost:
        return None if ledger.unread else 0.0
    changes = sorted(e.t for kind in ("fault.inject", "fault.heal") for _, e in journal.of(kind))
    last = max([op.end for _, op in ledger.lost])
    return max(next((t for t in changes if t >= op.end), last) - op.end for _, op in ledger.lost)


def delivery(journal: Journal) -> dict[str, Any]:
    """delivery in sum and per journey, and rpo_s per journey; without any read-back both are empty."""
    found = ledgers(journal)
    per = {ledger.journey: _counts(ledger) for ledger in found}
    if not per:
        return {"delivery": {}, "rpo_s": {}}
    total: dict[str, Any] = {k: sum(c[k] for c in per.values()) for k in next(iter(per.values()))}
    rpo = {x.journey: None if (r := rpo_s(journal, x)) is None else round(r, 3) for x in found}
    return {"delivery": total | {"journeys": per}, "rpo_s": rpo}


def _counts(ledger: Ledger) -> dict[str, int]:
    return {
        "acked": len(ledger.acked),
        "lost": len(ledger.lost),
        "ghost": len(ledger.ghost),
        "duplicated": len(ledger.duplicated),
        "unread": len(ledger.unread),
    }
