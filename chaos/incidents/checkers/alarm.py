"""What would have rung: reports of worried people, or missed service levels. No false alarm, and no outage without one.

`by: reports` counts what people write (chaos/incidents/people/sentiment.py), `by: slo` what users of the run met. An
outage is what users would call one: a journey away for `hold` seconds or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.incidents.measures.departures import night
from chaos.incidents.people.sentiment import alarms, reports
from chaos.judge.measures.levels import joined, meets, missed, truly_out
from chaos.judge.measures.phases import studied
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Count


@final
@dataclass(frozen=True)
class Alarm(Checker):
    of_users: ClassVar = True
    fails: ClassVar = "an alarm was raised without an outage, or an outage raised no alarm"
    looser: ClassVar = {"false_alarms": 1, "unseen": 1}

    by: Literal["reports", "slo"]
    false_alarms: Count = 0  # at most
    unseen: Count = 0  # outages without an alarm, at most

    def check(self, journal: Journal) -> Finding:
        name = f"alarm {self.by}"
        ops = [op for _, op, _ in studied(journal)]
        if thin := too_few(name, len(ops), self.least, "operations of anybody, which say what was true"):
            return thin
        found = night(journal)
        if self.by == "reports" and found is None:
            return Finding(name, Verdict.INCONCLUSIVE, "nobody left, or the dossier counts no reports")
        times = () if found is None else reports(journal.plan.seed, found)
        rung = missed(journal) if found is None or self.by == "slo" else alarms(found, times)
        out = truly_out(journal)
        alarmed, hurt = joined(rung), joined(out)
        false = [a for a in rung if not meets(a, hurt)]
        unseen = [o for o in out if not meets(o, alarmed)]
        level = sum(op.ok for op in ops) / len(ops)
        words = f"alarms: {len(rung)}, {len(false)} of them false; {len(unseen)} of {len(out)} outages without an alarm"
        if found is not None:
            before = found.counted(times, found.news - found.window, found.news)
            words += f"; reports {before} to {len(times) - before}"
        words += f", service level {level:.2%} of {len(ops):,} operations"
        silent = joined(unseen)
        bad = [n for n, op, _ in studied(journal) if not op.ok and meets((op.t, op.t), silent)]
        holds = len(false) <= self.false_alarms and len(unseen) <= self.unseen
        return Finding(name, Verdict.PASS if holds else Verdict.FAIL, words, () if holds else cite(ops=bad[:5]))
