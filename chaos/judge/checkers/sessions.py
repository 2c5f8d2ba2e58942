"""At least this share of the users of one client type who were logged in before the first fault must stay logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.measures import intervals
from chaos.judge.measures.phases import studied
from chaos.judge.measures.sessions import kept
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Ratio


@final
@dataclass(frozen=True)
class Sessions(Checker):
    of_users: ClassVar = True
    fails: ClassVar = "fewer of the users who were logged in before the first fault stayed logged in"
    looser: ClassVar = {"at_least": -1}

    client: str  # web, app, third-party, business
    at_least: Ratio

    def check(self, journal: Journal) -> Finding:
        name = f"sessions {self.client}"
        before, out = kept(journal, self.client)
        if not before:
            words = f"no {self.client} user was logged in before the first fault"
            return Finding(name, Verdict.INCONCLUSIVE, words)
        since = [op.user for _, op, p in studied(journal) if p != "before" and op.user in before]
        if thin := too_few(
            name, len(since), self.least, f"operations of these {self.client} users since the first fault"
        ):
            return thin
        stayed, gone = len(before) - len(out), sorted(out.values())
        summary = f"{stayed:,} of {len(before):,} users stayed logged in ({intervals.share(stayed, len(before))})"
        summary += f", wanted at least {self.at_least * 100:.6g}%"
        unseen = len(before.difference(since))
        if stayed / len(before) < self.at_least:
            return Finding(name, Verdict.FAIL, summary, cite(ops=gone))
        if (stayed - unseen) / len(before) < self.at_least:
            words = f"{summary}; but {unseen:,} of them never came back, so their sessions are unknown"
            return Finding(name, Verdict.INCONCLUSIVE, words)
        return Finding(name, Verdict.PASS, summary, cite(ops=gone))
