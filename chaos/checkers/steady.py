"""Assumption: before the first fault every journey was well. What was broken already was not broken by a fault."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import final

from chaos.evidence import cite
from chaos.journal import Journal, Line
from chaos.measures.phases import studied
from chaos.measures.recovery import WELL
from chaos.model import Finding, Op, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Steady(Checker):
    def check(self, journal: Journal) -> Finding:
        seen: dict[str, list[tuple[Line, Op]]] = defaultdict(list)
        for n, op, p in studied(journal):
            if p == "before":
                seen[op.journey].append((n, op))
        if not seen:
            return Finding("steady", Verdict.INCONCLUSIVE, "no operation was recorded before the first fault")
        unwell = {j: ops for j, ops in sorted(seen.items()) if sum(op.ok for _, op in ops) < WELL * len(ops)}
        if unwell:
            words = [f"{j} {sum(op.ok for _, op in ops)} of {len(ops)} ok" for j, ops in unwell.items()]
            bad = [n for ops in unwell.values() for n, op in ops if not op.ok]
            return Finding("steady", Verdict.INCONCLUSIVE, f"not well before: {', '.join(words)}", cite(ops=bad))
        unseen = sorted(set(journal.journeys) - set(seen))
        aside = f"; not used before: {', '.join(unseen)}" if unseen else ""
        summary = f"{len(seen)} journeys well in {sum(map(len, seen.values())):,} operations before the first fault"
        return Finding("steady", Verdict.PASS, summary + aside)
