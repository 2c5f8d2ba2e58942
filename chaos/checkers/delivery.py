"""At most so many acknowledged writes may be lost, refused ones be there (ghosts), or any be there twice.

Found by reading everything back after recovery. A user whose read-back is missing or broke off acquits nobody and
convicts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.errors import BadExperiment
from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.delivery import ledgers
from chaos.model import Finding, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Delivery(Checker):
    lost: int = 0  # at most
    ghost: int = 0  # at most
    duplicated: int = 0  # at most

    def __post_init__(self) -> None:
        if (least := min(self.lost, self.ghost, self.duplicated)) < 0:
            raise BadExperiment(f"delivery: found {least}, expected how many are borne: 0 or more")

    def check(self, journal: Journal) -> Finding:
        found = ledgers(journal)
        acked = sum(len(x.acked) for x in found)
        if not found:
            return Finding("delivery", Verdict.INCONCLUSIVE, "nothing was read back, so nobody knows what is there")
        kinds = {
            "lost": ([n for x in found for n, _ in x.lost], self.lost),
            "ghost": ([n for x in found for n, _ in x.ghost], self.ghost),
            "duplicated": ([n for x in found for n, _ in x.duplicated], self.duplicated),
        }
        words = ", ".join(f"{len(lines)} {kind}" for kind, (lines, _) in kinds.items())
        guilty = [n for lines, most in kinds.values() if len(lines) > most for n in lines]
        summary = f"{words} of {acked:,} acknowledged writes ({', '.join(x.journey for x in found)})"
        if guilty:
            return Finding("delivery", Verdict.FAIL, summary, cite(ops=guilty))
        unread = sum(len(x.unread) for x in found)
        broken = [n for x in found for n in x.failed_readbacks]
        if unread or broken:
            words = f"{unread:,} acknowledged writes could not be read back"
            return Finding("delivery", Verdict.INCONCLUSIVE, f"{summary}, but {words}", cite(ops=broken))
        if not acked:
            return Finding("delivery", Verdict.INCONCLUSIVE, "no write was acknowledged, so none could be lost")
        return Finding("delivery", Verdict.PASS, summary)
