"""Assumption: the record is complete and consistent. It is reported only if it does not hold.

The harness never writes a record that breaks this assumption, so such a record was torn, edited or put together. It can
neither fail nor pass a check. Unknown event kinds, and files that older versions did not write, are no contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, final

from chaos.judge.consistency import flaws
from chaos.model import Finding, Verdict
from chaos.protocols import Assumption
from chaos.record.evidence import LIMIT, cite
from chaos.record.journal import Journal as Record

SHOWN = 3


@final
@dataclass(frozen=True)
class Journal(Assumption):
    place: ClassVar = 0
    vital: ClassVar = True
    excuse: ClassVar = "the record cannot be trusted (see journal), so it cannot fail a check"
    least: ClassVar = 1
    fewer: ClassVar = "it reads every line"

    def check(self, journal: Record) -> Finding:
        found = list(islice(flaws(journal), LIMIT + 1))
        if not found:
            lines = f"{len(journal.events):,} events and {len(journal.ops):,} operations"
            return Finding("journal", Verdict.PASS, f"{lines}, no contradiction")
        words = "; ".join(map(str, found[:SHOWN]))
        if (more := len(found) - SHOWN) > 0:
            words += f"; and {min(more, LIMIT - SHOWN)}{' or more' if len(found) > LIMIT else ''} further lines"
        events = {f.line for f in found if f.file == "journal.jsonl" and 0 < f.line <= len(journal.events)}
        ops = {f.line for f in found if f.file == "ops.jsonl" and 0 < f.line <= len(journal.ops)}
        evidence = cite(journal=events, ops=ops)
        return Finding("journal", Verdict.INCONCLUSIVE, f"the record cannot be trusted: {words}", evidence)
