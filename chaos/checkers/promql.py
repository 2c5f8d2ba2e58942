"""Every sample of a Prometheus expression must stay within these bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

from chaos.errors import BadExperiment
from chaos.evidence import cite
from chaos.journal import Journal
from chaos.model import Finding, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Promql(Checker):
    expr: str  # asked by the probe of the same name while the run went on
    at_most: float | None = None
    at_least: float | None = None
    phase: Literal["all", "before", "during", "after"] = "all"
    name: str = "promql"  # of the probe

    def __post_init__(self) -> None:
        if self.at_most is None and self.at_least is None:
            raise BadExperiment("promql: found no bound, expected at_most or at_least")

    def check(self, journal: Journal) -> Finding:
        name = f"promql {self.expr}"
        when = "" if self.phase == "all" else f" {self.phase} the faults"
        samples = [
            (n, float(v))
            for n, e in journal.of("probe.sample")
            if e.subject == self.name and self.phase in ("all", journal.phase(e.t))
            for v in e.data.values()
            if isinstance(v, int | float) and math.isfinite(v)  # NaN is Prometheus for "no data"
        ]
        if not samples:
            return Finding(name, Verdict.INCONCLUSIVE, f"{self.name} has no sample{when}: was Prometheus up?")
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        bad = [n for n, v in samples if not low <= v <= high]
        values = [v for _, v in samples]
        bounds = [f"at least {low:g}"] if self.at_least is not None else []
        bounds += [f"at most {high:g}"] if self.at_most is not None else []
        summary = f"{min(values):g} to {max(values):g} in {len(samples)} samples{when}, wanted {' and '.join(bounds)}"
        return Finding(name, Verdict.FAIL if bad else Verdict.PASS, summary, cite(journal=bad))
