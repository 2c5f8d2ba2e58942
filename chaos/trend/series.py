"""Runs of one experiment as series of measures, and what a series says: worse or not, steady or not."""

from __future__ import annotations

import functools
import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.model import Verdict
from chaos.trend.rank import adjusted, worse

ALPHA = 0.05  # a measure is flagged at a q of this or less
MATTERS = 0.05  # and if its median moved by this share or more: a millisecond more is nobody's regression
# What of a run is looked at unless somebody names measures: who was away, what was lost, how quick and well it went.
HEADLINES = (
    "verdict", "rto_s.*", "rpo_s.*", "delivery.lost", "delivery.ghost", "delivery.duplicated",
    "availability.*.during", "availability.*.after", "latency_ms.*.during.p95",
)  # fmt: skip
RISING = ("verdict", "rto_s.*", "rpo_s.*", "return_fraction.*", "delivery.lost", "delivery.ghost",
          "delivery.duplicated", "delivery.unread", "latency_ms.**", "outage.*.failed")  # fmt: skip
FALLING = ("availability.*.before", "availability.*.during", "availability.*.after")
_ORDER = [v.value for v in Verdict]


@dataclass(frozen=True)
class Run:
    """One run. `measures` by dotted name, None is "never"; the measure `verdict` counts from 0, PASS, to 4, DIRTY."""

    path: str
    when: str
    seed: int
    kind: str  # what it must have in common with another to be compared: target, posture, form, knobs
    verdict: str
    measures: Mapping[str, float | None]

    def value(self, name: str) -> float | None:
        """As a number to rank by; infinity is "never", None is "not measured"."""
        if name == "verdict":
            return float(_ORDER.index(self.verdict)) if self.verdict in _ORDER else None
        if name not in self.measures:
            return None
        found = self.measures[name]
        # A rate or a quantile that is null: nobody came, or nobody got an answer (docs/guide/verdicts.md).
        return (None if _any(name, FALLING) else math.inf) if found is None else found


@dataclass(frozen=True)
class Trend:
    """One measure over the runs, the oldest first. `direction`: 1 if more is worse, -1 if less is, 0 if neither."""

    name: str
    older: tuple[float | None, ...]
    newer: tuple[float | None, ...]
    direction: int
    p: float | None  # None: not tested
    q: float | None

    @property
    def medians(self) -> tuple[float | None, float | None]:
        return _median(self.older), _median(self.newer)

    @property
    def regressed(self) -> bool:
        before, after = self.medians
        if self.q is None or self.q > ALPHA or before is None or after is None:
            return False
        moved = math.inf if math.isinf(after) != math.isinf(before) else abs(after - before)
        return moved > MATTERS * abs(before) if not math.isinf(before) else False


def trends(older: Sequence[Run], newer: Sequence[Run], wanted: Sequence[str] = ()) -> list[Trend]:
    """Every measure that matches one of `wanted`, newer tested against older.

    In a pattern `*` stands for what lies between two dots, `**` for dots too; default: HEADLINES.
    """
    names = sorted({"verdict", *(name for run in (*older, *newer) for name in run.measures)})
    names = [name for name in names if _any(name, wanted or HEADLINES)]
    rows = []
    for name in names:
        sign = direction(name)
        sides = tuple(tuple(run.value(name) for run in side) for side in (older, newer))
        before, after = (_known(side) for side in sides)
        constant = len({*before, *after}) < 2
        p = None
        if sign and before and after and not constant:
            p = worse([sign * v for v in after], [sign * v for v in before])
        rows.append((name, sides, sign, p))
    tested = [p for *_, p in rows if p is not None]
    q = iter(adjusted(tested))
    return [
        Trend(name, sides[0], sides[1], sign, p, None if p is None else next(q)) for name, sides, sign, p in rows
    ]


def direction(name: str) -> int:
    return 1 if _any(name, RISING) else -1 if _any(name, FALLING) else 0


# --- the same seed again and again


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
        """(most - least) / median; None where there is no such number."""
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
        """The share of runs that came to the most frequent verdict."""
        return max(self.verdicts.values()) / self.runs


def flakiness(runs: Sequence[Run], wanted: Sequence[str] = ()) -> list[Flakiness]:
    """By kind and seed, those with two runs or more."""
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.kind, run.seed), []).append(run)
    found = []
    for (kind, seed), same in sorted(groups.items()):
        if len(same) < 2:
            continue
        names = sorted({name for run in same for name in run.measures if _any(name, wanted or HEADLINES)})
        spreads = [Spread(name, tuple(run.value(name) for run in same)) for name in names]
        verdicts = Counter(run.verdict for run in same)
        found.append(Flakiness(kind, seed, dict(verdicts.most_common()), tuple(s for s in spreads if _known(s.values))))
    return found


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(_pattern(p).fullmatch(name) for p in patterns)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    """`*` stands for what lies between two dots, `**` for dots too."""
    signs = {"**": ".*", "*": r"[^.]*"}
    return re.compile("".join(signs.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", text)))


def _known(values: Sequence[float | None]) -> list[float]:
    return [v for v in values if v is not None]


def _median(values: Sequence[float | None]) -> float | None:
    found = _known(values)
    return statistics.median_low(found) if found else None
