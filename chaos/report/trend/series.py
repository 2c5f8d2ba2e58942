"""Runs of one experiment as series of measures, and whether a series got worse, better or neither, and how steady it
is.

Availability is compared as the share of failures: from 99.99 % to 95 % is 500 times as many. Events that may never
happen are flagged without a test, unless most runs of the baseline have them as well (an experiment that expects them);
then they are tested like other measures.
"""

from __future__ import annotations

import functools
import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chaos.judge.added import worse as worse_way
from chaos.model import Verdict
from chaos.record.findings import leaves
from chaos.report.trend.rank import adjusted, worse

ALPHA = 0.05  # a measure is flagged at this q or less
MATTERS = 0.05  # and if its median changed by more than this share: a millisecond more is not a regression
RISING = ("verdict", *(leaf.name for leaf in leaves() if leaf.worse == "more"))
FALLING = tuple(leaf.name for leaf in leaves() if leaf.worse == "less")
NEVER = tuple(leaf.name for leaf in leaves() if leaf.never)
# Default measures: who was away, what was lost, latency and success.
HEADLINES = (
    "verdict", "rto_s.*", "rpo_s.*", *(name for name in NEVER if name.count(".") == 1),
    "availability.*.during", "availability.*.after", "latency_ms.*.during.p95",
    "probe_rto_s.*", "probe_availability.*.during", "probe_availability.*.after",
)  # fmt: skip
ADDED = "added."  # measures of chaos/judge/figures, and of other packages
_ORDER = [v.value for v in Verdict]


@dataclass(frozen=True)
class Run:
    """One run. `measures` by dotted name, None is "never"; the measure `verdict` counts from 0, PASS, to 4, DIRTY."""

    path: str
    when: str
    seed: int
    kind: str  # what two runs need in common to be compared: target, posture, form, knobs
    verdict: str
    measures: Mapping[str, float | None]

    def value(self, name: str) -> float | None:
        """As a number for ranking; infinity is "never", None is "not measured"."""
        if name == "verdict":
            return float(_ORDER.index(self.verdict)) if self.verdict in _ORDER else None
        if name not in self.measures:
            return None
        found = self.measures[name]
        # A rate or quantile that is null: no operations, or no success (docs/guide/verdicts.md).
        return (None if direction(name) < 0 else math.inf) if found is None else found


@dataclass(frozen=True)
class Trend:
    """One measure over the runs, the oldest first. `direction`: 1 if more is worse, -1 if less is, 0 if neither."""

    name: str
    older: tuple[float | None, ...]
    newer: tuple[float | None, ...]
    direction: int
    p: float | None = None  # for "not worse"; None: not tested
    q: float | None = None
    p_better: float | None = None  # for "not better"
    q_better: float | None = None

    @property
    def medians(self) -> tuple[float | None, float | None]:
        """The median values; of two middle ones the better one."""
        return _median(self.older, self.direction), _median(self.newer, self.direction)

    @property
    def never(self) -> bool:
        """It may never happen, and does not happen in most runs of the baseline."""
        return _any(self.name, NEVER) and not _median(self.older, self.direction)

    @property
    def occurred(self) -> int:
        """Newer runs in which it happened."""
        return sum(v > 0 for v in _known(self.newer))

    @property
    def vanished(self) -> bool:
        """Most runs of the baseline have it but no newer one does: whether it got worse is unknown."""
        return self.direction != 0 and 2 * len(_known(self.older)) > len(self.older) and not _known(self.newer)

    @property
    def regressed(self) -> bool:
        return self.vanished or (self.occurred > 0 if self.never else self._moved(self.q, 1))

    @property
    def improved(self) -> bool:
        return self._moved(self.q_better, -1)

    def _moved(self, q: float | None, sign: int) -> bool:
        """Flagged, with a change that matters. `sign`: 1 towards worse, -1 towards better."""
        before, after = (None if m is None else _cost(m, self.direction) for m in self.medians)
        if q is None or q > ALPHA or before is None or after is None:
            return False
        if math.isinf(before) or math.isinf(after):
            return before != after
        return sign * (after - before) > MATTERS * abs(before)


def trends(older: Sequence[Run], newer: Sequence[Run], wanted: Sequence[str] = ()) -> list[Trend]:
    """Every measure that matches one of `wanted`, the newer runs tested against the older ones.

    In a pattern, `*` matches anything without dots, `**` anything; default: HEADLINES.
    """
    names = sorted({"verdict", *(name for run in (*older, *newer) for name in run.measures)})
    rows = []
    for name in names:
        if _wanted(name, wanted):
            before, after = (tuple(run.value(name) for run in side) for side in (older, newer))
            rows.append(_tested(Trend(name, before, after, direction(name))))
    q = iter(adjusted([t.p for t in rows if t.p is not None]))
    q_better = iter(adjusted([t.p_better for t in rows if t.p_better is not None]))
    return [t if t.p is None else replace(t, q=next(q), q_better=next(q_better)) for t in rows]


def _tested(trend: Trend) -> Trend:
    """With its p, if there is something to test."""
    before, after = ([_cost(v, trend.direction) for v in _known(side)] for side in (trend.older, trend.newer))
    if trend.never or not trend.direction or not before or not after or len({*before, *after}) < 2:
        return trend
    better = worse([-v for v in after], [-v for v in before])
    return replace(trend, p=worse(after, before), p_better=better)


def _cost(value: float, direction: int) -> float:
    """A value for which more is worse: for a success rate, the share of failures."""
    return 1 - value if direction < 0 else value


def direction(name: str) -> int:
    """The direction of a measure; for an added one that of its class, if it is installed."""
    if name.startswith(ADDED):
        return {"more": 1, "less": -1}.get(worse_way(name.split(".")[1]), 0)
    return 1 if _any(name, RISING) else -1 if _any(name, FALLING) else 0


def _wanted(name: str, patterns: Sequence[str]) -> bool:
    if patterns:
        return _any(name, patterns)
    return _any(name, HEADLINES) or (name.startswith(ADDED) and direction(name) != 0)


# --- repeated runs of one seed


@dataclass(frozen=True)
class Spread:
    """One measure over runs that should be alike."""

    name: str
    values: tuple[float | None, ...]

    @property
    def least(self) -> float:
        return min(_known(self.values))

    @property
    def most(self) -> float:
        return max(_known(self.values))

    @property
    def median(self) -> float:
        return statistics.median(_known(self.values))

    @property
    def relative(self) -> float | None:
        """(most - least) / median; None if that is not defined."""
        if math.isinf(self.most) or not self.median:
            return 0.0 if self.most == self.least else None
        return (self.most - self.least) / abs(self.median)


@dataclass(frozen=True)
class Flakiness:
    """Runs of one kind and one seed."""

    kind: str
    seed: int
    verdicts: Mapping[str, int]  # the most frequent first
    spreads: tuple[Spread, ...]

    @property
    def runs(self) -> int:
        return sum(self.verdicts.values())

    @property
    def agreement(self) -> float:
        """The share of runs with the most frequent verdict."""
        return max(self.verdicts.values()) / self.runs


def flakiness(runs: Sequence[Run], wanted: Sequence[str] = ()) -> list[Flakiness]:
    """By kind and seed, those with at least two runs."""
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.kind, run.seed), []).append(run)
    found = []
    for (kind, seed), same in sorted(groups.items()):
        if len(same) < 2:
            continue
        names = sorted({name for run in same for name in run.measures if _wanted(name, wanted)})
        spreads = [Spread(name, tuple(run.value(name) for run in same)) for name in names]
        verdicts = Counter(run.verdict for run in same)
        found.append(Flakiness(kind, seed, dict(verdicts.most_common()), tuple(s for s in spreads if _known(s.values))))
    return found


def matches(name: str, pattern: str) -> bool:
    return bool(_pattern(pattern).fullmatch(name))


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(matches(name, p) for p in patterns)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    """`*` matches anything without dots, `**` anything."""
    signs = {"**": ".*", "*": r"[^.]*"}
    return re.compile("".join(signs.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", text)))


def _known(values: Sequence[float | None]) -> list[float]:
    return [v for v in values if v is not None]


def _median(values: Sequence[float | None], direction: int) -> float | None:
    found = _known(values)
    middle = statistics.median_high if direction < 0 else statistics.median_low
    return middle(found) if found else None
