"""What would have rung: reports of worried people, or missed service levels. No false alarm, and no outage without one.

`by: reports` counts what people write (chaos/models/sentiment.py), `by: slo` what users of the run met. An outage is
what users would call one: a journey away for `hold` seconds or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from chaos.evidence import cite
from chaos.incident.departures import night
from chaos.journal import Journal
from chaos.measures.levels import Span, missed, truly_out
from chaos.measures.phases import studied
from chaos.model import Finding, Verdict
from chaos.models.sentiment import alarms, reports
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Alarm(Checker):
    by: Literal["reports", "slo"]

    def check(self, journal: Journal) -> Finding:
        name = f"alarm {self.by}"
        ops = [op for _, op, _ in studied(journal)]
        if not ops:
            return Finding(name, Verdict.INCONCLUSIVE, "no operation was recorded, so nobody knows what was true")
        found = night(journal)
        if self.by == "reports" and found is None:
            return Finding(name, Verdict.INCONCLUSIVE, "nobody left, or the dossier counts no reports")
        times = () if found is None else reports(journal.plan.seed, found)
        rung = missed(journal) if found is None or self.by == "slo" else alarms(found, times)
        out = truly_out(journal)
        false = [a for a in rung if not any(_meet(a, o) for o in out)]
        unseen = [o for o in out if not any(_meet(a, o) for a in rung)]
        level = sum(op.ok for op in ops) / len(ops)
        words = f"{len(rung)} rung, {len(false)} of them false; {len(unseen)} of {len(out)} outages unseen"
        if found is not None:
            before = found.counted(times, found.news - found.window, found.news)
            words += f"; reports {before} to {len(times) - before}"
        words += f", service level {level:.2%} of {len(ops):,} operations"
        bad = [n for n, op, _ in studied(journal) if not op.ok and any(o[0] <= op.t <= o[1] for o in unseen)]
        return Finding(name, Verdict.FAIL if false or unseen else Verdict.PASS, words, cite(ops=bad[:5]))


def _meet(a: Span, b: Span) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]
