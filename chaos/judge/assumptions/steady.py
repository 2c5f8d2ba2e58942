"""Assumption: every journey was healthy before the first fault. What was already broken is not the fault's doing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.measures.phases import studied
from chaos.judge.measures.recovery import WELL
from chaos.model import Finding, Op, Verdict
from chaos.protocols import Assumption
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal, Line

MOST = 160  # characters of an error


@final
@dataclass(frozen=True)
class Steady(Assumption):
    place: ClassVar = 2

    def check(self, journal: Journal) -> Finding:
        seen: dict[str, list[tuple[Line, Op]]] = defaultdict(list)
        for n, op, p in studied(journal):
            if p == "before":
                seen[op.journey].append((n, op))
        count = sum(map(len, seen.values()))
        if thin := too_few("steady", count, self.least, "operations before the first fault"):
            return thin
        unwell = {j: ops for j, ops in sorted(seen.items()) if sum(op.ok for _, op in ops) < WELL * len(ops)}
        if unwell:
            words = [f"{j} {sum(op.ok for _, op in ops)} of {len(ops)} ok{_why(ops)}" for j, ops in unwell.items()]
            bad = [n for ops in unwell.values() for n, op in ops if not op.ok]
            return Finding(
                "steady", Verdict.INCONCLUSIVE, f"not steady before the first fault: {', '.join(words)}", cite(ops=bad)
            )
        unseen = sorted(set(journal.journeys) - set(seen))
        aside = f"; not used before: {', '.join(unseen)}" if unseen else ""
        summary = f"{len(seen)} journeys steady in {count:,} operations before the first fault"
        return Finding("steady", Verdict.PASS, summary + aside)


def _why(ops: Sequence[tuple[Line, Op]]) -> str:
    """The commonest error, which is often the same for all."""
    errors = Counter(op.error for _, op in ops if not op.ok and op.error)
    return f" ({errors.most_common(1)[0][0][:MOST]})" if errors else ""
