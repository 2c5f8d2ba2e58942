"""Latency, measured from the intended start of each operation, must not exceed these milliseconds.

An operation that did not succeed counts as infinitely slow, so that a system does not look faster by refusing users. A
quantile needs at least one operation beyond it: p99 needs a hundred operations or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.errors import BadExperiment
from chaos.judge.measures import intervals
from chaos.judge.measures.phases import studied
from chaos.judge.measures.success import QUANTILES, nearest, wait_ms
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Milliseconds


@final
@dataclass(frozen=True)
class Latency(Checker):
    of_users: ClassVar = True
    fails: ClassVar = "answers took longer, from the **intended** start"
    looser: ClassVar = {"p50_ms": 1, "p95_ms": 1, "p99_ms": 1}

    journey: str = ""  # empty: all journeys together
    p50_ms: Milliseconds | None = None  # at most
    p95_ms: Milliseconds | None = None  # at most
    p99_ms: Milliseconds | None = None  # at most
    phase: Literal["all", "before", "during", "after"] = "all"

    def __post_init__(self) -> None:
        if not self._limits:
            raise BadExperiment("latency: found no limit, expected at least one of p50_ms, p95_ms, p99_ms")

    @property
    def _limits(self) -> dict[str, float]:
        given = {"p50": self.p50_ms, "p95": self.p95_ms, "p99": self.p99_ms}
        return {name: limit for name, limit in given.items() if limit is not None}

    def check(self, journal: Journal) -> Finding:
        name = f"latency {self.journey}".rstrip()
        ops = {n: op for n, op, p in studied(journal, self.journey or None) if self.phase in ("all", p)}
        when = "" if self.phase == "all" else f" {self.phase} the faults"
        what = f"operations of {self.journey or 'all journeys'}{when}"
        waits = sorted(map(wait_ms, ops.values()))
        words, broken, thin = [], [], []
        for quantile, limit in self._limits.items():
            q = QUANTILES[quantile]
            if few := too_few(name, len(ops), max(self.least, round(1 / (1 - q))), f"{what} for {quantile}"):
                thin.append(few)
                continue
            found = nearest(waits, q)
            low, high = intervals.quantile(waits, q)
            shown = f"{_ms(found)} (95% interval {_ms(low)} to {_ms(high)})"
            words.append(f"{quantile} {shown}, wanted at most {limit:g} ms")
            if found > limit:
                broken.append(limit)
        if thin and not broken:
            return thin[0]
        slow = [n for n, op in ops.items() if broken and wait_ms(op) > min(broken)]
        summary = f"{'; '.join(words)} ({len(ops):,} operations{when})"
        return Finding(name, Verdict.FAIL if broken else Verdict.PASS, summary, cite(ops=slow))


def _ms(wait: float) -> str:
    return "no answer" if math.isinf(wait) else f"{wait:,.1f} ms"
