"""The metrics of a component's nodes must stay within these limits. Each node is asked once a second.

By default each node's value is judged. With `total` it is the sum over all nodes. With `per` (a journey) it is the
increase of a counter over all nodes, divided by the operations of that journey that users began in the same time: 1 if
each request is made once, 3 if it is tried three times. A restarted node counts from 0, which is not a decrease.

One value outside the limits is enough to fail. To pass, every node of the component must have answered. A node may have
had any value if it did not answer for three seconds and is not known to be down, or if its metrics neither contain the
series nor declare it (`# TYPE`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, final

from msgspec import Meta

from chaos.errors import BadExperiment
from chaos.judge.measures.samples import FEWER, Sample, Watched, watched
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.evidence import cite, too_few
from chaos.record.journal import Journal, Line
from chaos.units import Figure


@final
@dataclass(frozen=True)
class Metrics(Checker):
    fails: ClassVar = (
        "a metric of a component's nodes (their `/metrics`, read once a second) is out of bounds: each node's value; "
        "with `total` their sum; with `per` the increase of a counter for each operation of that journey, which shows "
        "retries"
    )
    probe: ClassVar = "metrics"
    fewer: ClassVar = FEWER
    looser: ClassVar = {"at_most": 1, "at_least": -1}

    component: str
    series: str  # full name, such as stack_requests_total
    labels: Mapping[str, str] = field(default_factory=dict)
    total: bool = False
    per: str = ""  # a journey, or `all`
    at_most: Figure | None = None
    at_least: Figure | None = None
    phase: Literal["all", "before", "during", "after"] = "all"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8000
    name: str = "metrics"  # of the probe

    def __post_init__(self) -> None:
        if self.at_most is None and self.at_least is None:
            raise BadExperiment("metrics: found no bound, expected at_most or at_least")
        if self.total and self.per:
            raise BadExperiment("metrics: total and per exclude each other; a growth per operation is over all nodes")

    def check(self, journal: Journal) -> Finding:
        name = f"metrics {self.component} {self.series}"
        when = "" if self.phase == "all" else f" {self.phase} the faults"
        seen = watched(journal, self.name, self.phase)
        if not seen.judged:
            return Finding(name, Verdict.INCONCLUSIVE, f"{self.name} has no sample{when}: did its nodes answer?")
        found = self._ratio(name, when, journal, seen) if self.per else self._values(name, when, journal, seen)
        if found.verdict is not Verdict.PASS:
            return found
        if unheard := list(seen.silent(_nodes(journal, self.component, seen))):
            words = ", ".join(f"{node} from {start:.0f} to {end:.0f} s" for node, start, end in unheard)
            return Finding(name, Verdict.INCONCLUSIVE, f"{found.summary}; but there was no answer from {words}")
        if thin := too_few(name, len(seen.judged), seen.wanted(self.least), f"samples of {self.name}{when}"):
            return thin
        return found

    def _values(self, name: str, when: str, journal: Journal, seen: Watched) -> Finding:
        """Judge each value, or each sum. A sum that lacks a node may be too small, but never too large."""
        nodes = _nodes(journal, self.component, seen)
        sums = [(s.line, sum(s.values.values()), seen.whole(s, nodes)) for s in seen.judged]
        single = [(s.line, v, True) for s in seen.judged for v in s.values.values()]
        found = sums if self.total else single
        bad = [n for n, value, whole in found if self._breaks(value, whole)]
        least, most = min(v for _, v, _ in found), max(v for _, v, _ in found)
        what = "of all nodes together" if self.total else "of single nodes"
        summary = f"{least:g} to {most:g} {what} in {len(seen.judged)} samples{when}, wanted {self._bounds}"
        return Finding(name, Verdict.FAIL if bad else Verdict.PASS, summary, cite(journal=list(dict.fromkeys(bad))))

    def _ratio(self, name: str, when: str, journal: Journal, seen: Watched) -> Finding:
        journey = None if self.per == "all" else self.per
        starts = sorted(op.start for _, op in journal.operations(journey))
        judged = {s.line for s in seen.judged}
        grown, operations, lines = 0.0, 0, []
        for line, begin, end, growth in _steps(seen.all):
            if line in judged:
                grown += growth
                operations += bisect_left(starts, end) - bisect_left(starts, begin)
                lines.append(line)
        if thin := too_few(name, operations, self.least, f"operations of {self.per} between samples{when}"):
            return thin
        ratio = grown / operations
        counted = f"{grown:,.0f} in {operations:,} operations of {self.per}{when}"
        summary = f"{counted}: {ratio:.2f} each, wanted {self._bounds}"
        broken = self._breaks(ratio)
        return Finding(name, Verdict.FAIL if broken else Verdict.PASS, summary, cite(journal=lines) if broken else ())

    def _breaks(self, value: float, whole: bool = True) -> bool:
        too_low = whole and self.at_least is not None and value < self.at_least
        return too_low or (self.at_most is not None and value > self.at_most)

    @property
    def _bounds(self) -> str:
        said = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        return " and ".join(said + ([f"at most {self.at_most:g}"] if self.at_most is not None else []))


def _nodes(journal: Journal, component: str, seen: Watched) -> set[str]:
    """The component's nodes according to the plan; if it lists none, the nodes that answered."""
    planned = {n["name"] for n in journal.plan.nodes if n["component"] == component}
    return planned or {node for s in seen.all for node in s.values}


def _steps(samples: Sequence[Sample]) -> Iterator[tuple[Line, float, float, float]]:
    """(line, from, to, growth over all nodes) between each sample and the one before. A node's first sample has no
    growth.
    """
    known: dict[str, float] = {}
    before: float | None = None
    for s in samples:
        growth = sum(v - known[k] if v >= known[k] else v for k, v in s.values.items() if k in known)
        known |= s.values
        if before is not None:
            yield s.line, before, s.t, growth
        before = s.t
