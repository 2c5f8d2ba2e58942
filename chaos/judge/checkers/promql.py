"""Every sample of a Prometheus expression must stay within these limits. One sample outside is enough to fail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.errors import BadExperiment
from chaos.judge.measures.samples import FEWER, watched
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal
from chaos.units import Figure


@final
@dataclass(frozen=True)
class Promql(Checker):
    fails: ClassVar = "a sample of the expression is out of bounds"
    probe: ClassVar = "promql"
    fewer: ClassVar = FEWER
    looser: ClassVar = {"at_most": 1, "at_least": -1}
    convicts_early: ClassVar = True

    expr: str  # evaluated by the probe of the same name during the run
    at_most: Figure | None = None
    at_least: Figure | None = None
    phase: Literal["all", "before", "during", "after"] = "all"
    name: str = "promql"  # of the probe

    def __post_init__(self) -> None:
        if self.at_most is None and self.at_least is None:
            raise BadExperiment("promql: found no bound, expected at_most or at_least")

    def check(self, journal: Journal) -> Finding:
        name = f"promql {self.expr}"
        when = "" if self.phase == "all" else f" {self.phase} the faults"
        seen = watched(journal, self.name, self.phase)
        samples = [(s.line, v) for s in seen.judged for v in s.values.values()]
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        bad = [n for n, v in samples if not low <= v <= high]
        thin = too_few(
            name, len(samples), seen.wanted(self.least), f"samples of {self.name}{when} (was Prometheus up?)"
        )
        if thin and not bad:
            return thin
        values = [v for _, v in samples]
        bounds = [f"at least {low:g}"] if self.at_least is not None else []
        bounds += [f"at most {high:g}"] if self.at_most is not None else []
        summary = f"{min(values):g} to {max(values):g} in {len(samples)} samples{when}, wanted {' and '.join(bounds)}"
        return Finding(name, Verdict.FAIL if bad else Verdict.PASS, summary, cite(journal=bad))
