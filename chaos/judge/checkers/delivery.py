"""At most this many writes may be lost (acknowledged, but missing), ghosts (refused, but present) or duplicated.

An integer is a count; a share such as `5%` refers to the acknowledged writes.

After recovery every user reads everything back. A user whose read-back is missing or incomplete can neither fail nor
pass this check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.measures.delivery import ledgers
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite
from chaos.record.journal import Journal
from chaos.units import Amount


@final
@dataclass(frozen=True)
class Delivery(Checker):
    of_users: ClassVar = True
    fails: ClassVar = (
        "more acknowledged writes are missing (`lost`), refused ones are present (`ghost`), or some are present twice"
    )
    least: ClassVar = 1
    fewer: ClassVar = "every acknowledged write is read back, so the count is exact"
    looser: ClassVar = {"lost": 1, "ghost": 1, "duplicated": 1}
    convicts_early: ClassVar = True
    convicts_starved: ClassVar = True  # a lack of processor time does not lose acknowledged writes

    lost: Amount = 0  # at most
    ghost: Amount = 0
    duplicated: Amount = 0

    def check(self, journal: Journal) -> Finding:
        found = ledgers(journal)
        acked = sum(len(x.acked) for x in found)
        if not found:
            return Finding("delivery", Verdict.INCONCLUSIVE, "nothing was read back, so losses are unknown")
        kinds = {
            "lost": ([n for x in found for n, _ in x.lost], self.lost),
            "ghost": ([n for x in found for n, _ in x.ghost], self.ghost),
            "duplicated": ([n for x in found for n, _ in x.duplicated], self.duplicated),
        }
        words = ", ".join(f"{len(lines)} {kind}" for kind, (lines, _) in kinds.items())
        guilty = [n for lines, most in kinds.values() if len(lines) > _most(most, acked) for n in lines]
        summary = f"{words} of {acked:,} acknowledged writes ({', '.join(x.journey for x in found)})"
        if guilty:
            return Finding("delivery", Verdict.FAIL, summary, cite(ops=guilty))
        unread = sum(len(x.unread) for x in found)
        broken = [n for x in found for n in x.failed_readbacks]
        if unread or broken:
            never = ", ".join(x.journey for x in found if not x.readbacks)
            words = f"{unread:,} acknowledged writes could not be read back"
            words += f"; {never} was not read back" if never else ""
            lines = broken or [n for x in found for n, _ in x.unread]
            return Finding("delivery", Verdict.INCONCLUSIVE, f"{summary}, but {words}", cite(ops=lines))
        if not acked:
            return Finding("delivery", Verdict.INCONCLUSIVE, "no write was acknowledged, so none could be lost")
        return Finding("delivery", Verdict.PASS, summary)


def _most(most: int | float, acked: int) -> float:
    """The limit as a number of writes: a share refers to the acknowledged writes."""
    return most * acked if isinstance(most, float) else most
