"""At most this share of refreshes since the first fault may show content older than this.

A failed refresh shows content of unknown age. If the failed ones could decide the result, it is INCONCLUSIVE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.measures import intervals
from chaos.judge.measures.staleness import age, shown, unanswered
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Ratio, Seconds, in_words


@final
@dataclass(frozen=True)
class Staleness(Checker):
    of_users: ClassVar = True
    fails: ClassVar = "a greater share of refreshes showed older content"
    looser: ClassVar = {"at_most": 1, "older_than": 1}

    journey: str
    older_than: Seconds
    at_most: Ratio

    def check(self, journal: Journal) -> Finding:
        name = f"staleness {self.journey}"
        ops = [(n, op) for n, op, p in shown(journal, self.journey) if p != "before"]
        what = f"operations of {self.journey} since the first fault say how old their content was"
        if thin := too_few(name, len(ops), self.least, what):
            return thin
        old = [n for n, op in ops if age(op) > self.older_than]
        unknown = [n for n, _, p in unanswered(journal, self.journey) if p != "before"]
        limit = in_words(self.older_than * journal.plan.scale)
        summary = f"{len(old):,} of {len(ops):,} refreshes showed content older than {limit} "
        summary += f"({intervals.share(len(old), len(ops))}), wanted at most {self.at_most * 100:.6g}%"
        if len(old) > self.at_most * len(ops):
            return Finding(name, Verdict.FAIL, summary, cite(ops=old))
        if len(old) + len(unknown) > self.at_most * (len(ops) + len(unknown)):
            words = f"{summary}; but {len(unknown):,} more failed, so what they showed is unknown"
            return Finding(name, Verdict.INCONCLUSIVE, words, cite(ops=unknown))
        return Finding(name, Verdict.PASS, summary, cite(ops=old))
