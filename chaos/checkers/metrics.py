"""What a component's nodes count of themselves must stay within these bounds, asked once a second of each node.

Bare: each node's value. `total`: the sum over all nodes. `per` a journey: by how much a counter grew over all nodes,
for each operation that users began of that journey meanwhile: 1 where a request is made once, 3 where it is tried
three times. A node that starts again counts from 0, which is no step back.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from chaos.errors import BadExperiment
from chaos.evidence import cite
from chaos.journal import Journal, Line
from chaos.model import Finding, Verdict
from chaos.protocols import Checker

ENOUGH = 5  # operations: a ratio over fewer says nothing


@final
@dataclass(frozen=True)
class Metrics(Checker):
    component: str
    series: str  # full name, such as stack_requests_total
    labels: Mapping[str, str] = field(default_factory=dict)
    total: bool = False
    per: str = ""  # a journey, or `all`
    at_most: float | None = None
    at_least: float | None = None
    phase: Literal["all", "before", "during", "after"] = "all"
    port: int = 8000
    name: str = "metrics"  # of the probe

    def __post_init__(self) -> None:
        if self.at_most is None and self.at_least is None:
            raise BadExperiment("metrics: found no bound, expected at_most or at_least")
        if self.total and self.per:
            raise BadExperiment("metrics: total and per exclude each other; a growth per operation is over all nodes")

    def check(self, journal: Journal) -> Finding:
        name = f"metrics {self.component} {self.series}"
        when = "" if self.phase == "all" else f" {self.phase} the faults"
        samples = [
            (n, e.t, {k: float(v) for k, v in e.data.items() if isinstance(v, int | float) and math.isfinite(v)})
            for n, e in journal.of("probe.sample")
            if e.subject == self.name and e.t >= -journal.plan.steady
        ]
        judged = [s for s in samples if self.phase in ("all", journal.phase(s[1]))]
        if not judged:
            return Finding(name, Verdict.INCONCLUSIVE, f"{self.name} has no sample{when}: did its nodes answer?")
        if self.per:
            return self._ratio(name, when, journal, samples, {n for n, _, _ in judged})
        found = [(n, v) for n, _, seen in judged for v in ([sum(seen.values())] if self.total else seen.values())]
        bad = [n for n, value in found if not self._fits(value)]
        least, most = min(v for _, v in found), max(v for _, v in found)
        what = "of all nodes together" if self.total else "of single nodes"
        summary = f"{least:g} to {most:g} {what} in {len(judged)} samples{when}, wanted {self._bounds}"
        evidence = cite(journal=list(dict.fromkeys(bad)))
        return Finding(name, Verdict.FAIL if bad else Verdict.PASS, summary, evidence)

    def _ratio(self, name: str, when: str, journal: Journal, samples: list[Sample], judged: set[Line]) -> Finding:
        journey = None if self.per == "all" else self.per
        starts = sorted(op.start for _, op in journal.operations(journey))
        grown, operations, lines = 0.0, 0, []
        for line, begin, end, growth in _steps(samples):
            if line in judged:
                grown += growth
                operations += bisect_left(starts, end) - bisect_left(starts, begin)
                lines.append(line)
        if operations < ENOUGH:
            words = f"only {operations} operations of {self.per} between samples{when}, wanted {ENOUGH} or more"
            return Finding(name, Verdict.INCONCLUSIVE, words)
        ratio = grown / operations
        counted = f"{grown:,.0f} in {operations:,} operations of {self.per}{when}"
        summary = f"{counted}: {ratio:.2f} each, wanted {self._bounds}"
        fits = self._fits(ratio)
        return Finding(name, Verdict.PASS if fits else Verdict.FAIL, summary, () if fits else cite(journal=lines))

    def _fits(self, value: float) -> bool:
        low = -math.inf if self.at_least is None else self.at_least
        return low <= value <= (math.inf if self.at_most is None else self.at_most)

    @property
    def _bounds(self) -> str:
        said = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        return " and ".join(said + ([f"at most {self.at_most:g}"] if self.at_most is not None else []))


Sample = tuple[Line, float, dict[str, float]]


def _steps(samples: list[Sample]) -> Iterator[tuple[Line, float, float, float]]:
    """(line, from, to, growth over all nodes) of each sample since the one before it; a node is new at its first."""
    known: dict[str, float] = {}
    before: float | None = None
    for line, t, values in samples:
        growth = sum(v - known[k] if v >= known[k] else v for k, v in values.items() if k in known)
        known |= values
        if before is not None:
            yield line, before, t, growth
        before = t
