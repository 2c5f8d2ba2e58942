"""Waits, from the intended start of each operation, must not exceed these milliseconds.

An operation without the promised answer took for ever: a system does not get quicker by turning users away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

from chaos.errors import BadExperiment
from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.phases import studied
from chaos.measures.success import QUANTILES, quantile_ms
from chaos.model import Finding, Op, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Latency(Checker):
    journey: str = ""  # empty: all journeys together
    p50_ms: float | None = None  # at most
    p95_ms: float | None = None  # at most
    p99_ms: float | None = None  # at most
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
        if not ops:
            who = self.journey or "anybody"
            return Finding(name, Verdict.INCONCLUSIVE, f"no operation of {who} was recorded{when}")
        words, broken = [], []
        for quantile, limit in self._limits.items():
            found = quantile_ms(list(ops.values()), QUANTILES[quantile])
            shown = "no answer" if found is None else f"{found:,.1f} ms"
            words.append(f"{quantile} {shown}, wanted at most {limit:g} ms")
            if found is None or found > limit:
                broken.append(limit)
        slow = [n for n, op in ops.items() if broken and _wait_ms(op) > min(broken)]
        summary = f"{'; '.join(words)} ({len(ops):,} operations{when})"
        return Finding(name, Verdict.FAIL if broken else Verdict.PASS, summary, cite(ops=slow))


def _wait_ms(op: Op) -> float:
    return op.latency * 1000 if op.ok else math.inf
