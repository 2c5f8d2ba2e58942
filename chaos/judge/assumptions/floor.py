"""Assumption: there was enough load. A load below its floor proves nothing about the system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.measures.load import load
from chaos.model import Finding, Verdict
from chaos.protocols import Assumption
from chaos.record.journal import Journal


@final
@dataclass(frozen=True)
class Floor(Assumption):
    place: ClassVar = 1
    least: ClassVar = 1
    fewer: ClassVar = "it counts the load itself"

    def applies(self, journal: Journal) -> bool:
        """An experiment may have no load; its verdict rests on probes."""
        return bool(journal.plan.load.present)

    def check(self, journal: Journal) -> Finding:
        seen = load(journal)
        lowest, floor = seen.lowest_per_s, seen.floor_per_s
        summary = (
            f"{seen.offered_per_s:g}/s offered, {lowest:g}/s in the lowest {seen.window_s:g} s "
            f"(from {seen.lowest_at:g} s on), floor {floor:g}/s"
        )
        return Finding("floor", Verdict.PASS if seen.n and lowest >= floor else Verdict.INCONCLUSIVE, summary)
