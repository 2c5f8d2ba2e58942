"""At least this share of a probe's answers must be good, or the probe must be well again within this time.

`name` is one of the experiment's `probes:`. Like a journey, a probe is back at the start of the first period of `hold`
in which 99 % of its answers are good. Where it could not be asked, nobody knows how the system was: if that could
decide the result, it is INCONCLUSIVE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.errors import BadExperiment
from chaos.judge.measures import intervals
from chaos.judge.measures.answers import Answers, answers, tolerant
from chaos.judge.measures.samples import LEAST
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Ratio, Seconds, both


@final
@dataclass(frozen=True)
class Probe(Checker):
    fails: ClassVar = (
        "fewer answers to one of the experiment's `probes:` were good, or it did not recover in time, counted from its "
        "first bad answer"
    )
    fewer: ClassVar = (
        "each answer is one of a fixed number a second: half of the phase's answers is enough, but no fewer than "
        f"{LEAST}"
    )
    looser: ClassVar = {"at_least": -1, "back_within": 1}

    name: str
    at_least: Ratio | None = None
    back_within: Seconds | None = None
    phase: Literal["all", "before", "during", "after"] = "all"

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.back_within is None):
            found = "no bound" if self.at_least is None else "both bounds"
            raise BadExperiment(f"probe: found {found}, expected at_least or back_within; two bounds are two checks")
        if self.back_within is not None and self.phase != "all":
            raise BadExperiment("probe: phase is for at_least: back_within counts from the first fault on")

    def check(self, journal: Journal) -> Finding:
        spec = next((p for p in tolerant(journal) if p.name == self.name), None)
        if spec is None:
            return Finding(f"probe {self.name}", Verdict.INCONCLUSIVE, f"the plan has no probe {self.name}")
        found = answers(journal, spec)
        if self.at_least is not None:
            return self._share(found, self.at_least)
        assert self.back_within is not None
        return self._back(found, self.back_within)

    def _share(self, found: Answers, wanted: float) -> Finding:
        name, when = f"probe {self.name}", "" if self.phase == "all" else f" {self.phase} the faults"
        begin, end = found.span(self.phase)
        judged = found.of(self.phase)
        if thin := too_few(name, len(judged), found.wanted(self.least, end - begin), f"answers{when}{found.why}"):
            return thin
        bad = [a.line for a in judged if not a.ok]
        n, good, unseen = len(judged), len(judged) - len(bad), found.unseen(self.phase)
        summary = f"{good:,} of {n:,} answers good{when} ({intervals.share(good, n)})"
        summary += f", wanted at least {wanted * 100:.6g}%"
        if (good + unseen) / (n + unseen) < wanted:
            return Finding(name, Verdict.FAIL, summary, cite(journal=bad))
        if good / (n + unseen) < wanted:
            words = f"{summary}; but {unseen:,} more could not be asked{found.why}, so those are unknown"
            return Finding(name, Verdict.INCONCLUSIVE, words, cite(journal=bad))
        return Finding(name, Verdict.PASS, summary, cite(journal=bad))

    def _back(self, found: Answers, within: float) -> Finding:
        name, scale = f"probe {self.name} back", found.journal.plan.scale
        wanted = f"wanted back within {both(within, scale)}"
        begin, end = found.since_span
        n = len(found.since)
        if thin := too_few(name, n, found.wanted(self.least, end - begin), f"answers since the first fault{found.why}"):
            return thin
        o = found.outage
        if o is None:
            words = f"none of {n:,} answers was bad, {wanted}"
            hidden = _hidden(found, None, within)
            return Finding(name, Verdict.INCONCLUSIVE if hidden else Verdict.PASS, words + hidden)
        evidence = cite(journal=o.failed)
        if o.back is None:
            seen = o.seen - o.start
            if seen < within + found.journal.plan.hold:
                words = f"not back after {seen:.2f} s, at the last answer{found.why}; {wanted}: increase `recover`"
                return Finding(name, Verdict.INCONCLUSIVE, words, evidence)
            return Finding(name, Verdict.FAIL, f"never recovered, {wanted}", evidence)
        took = o.back - o.start
        summary = f"back after {both(took, scale)}, {wanted}, known to {found.spec.every:.2f} s"
        if hidden := _hidden(found, (o.start, o.back), within):
            return Finding(name, Verdict.INCONCLUSIVE, summary + hidden, evidence)
        return Finding(name, Verdict.PASS if took <= within else Verdict.FAIL, summary, evidence)


def _hidden(found: Answers, outage: tuple[float, float] | None, within: float) -> str:
    """What missing answers could hide that would change the result, as half a sentence; empty if nothing."""
    start, back = outage or (math.inf, math.inf)
    took = back - start if outage else 0.0
    end = found.since_span[1]
    for a, b in found.gaps(*found.since_span):
        if start <= a and b <= back:  # it may have been back in the gap already
            decides = b == back and a - start <= within < took
        else:  # it may have been down in the gap, and longer if the outage follows it
            decides = took <= within < (back if b == start else math.inf if b == end else b) - a
        if decides:
            return f"; but there is no answer from {a:.0f} to {b:.0f} s{found.why}, which could change the result"
    return ""
