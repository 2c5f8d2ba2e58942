"""The statistics of trends, exact and without a drawn number: Mann and Whitney's test, and many of them at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist

EXACT = 60  # runs of both sides together up to which every way to deal them out is counted


def worse(newer: Sequence[float], older: Sequence[float]) -> float:
    """One-sided p of Mann and Whitney's U: how likely values so much greater are, were both sides drawn alike.

    Ties share their ranks. Up to EXACT values the p is exact, also with ties (every way to deal the ranks out is
    counted); beyond, the normal approximation with its correction for ties and continuity. Infinity is the greatest
    value there is. 1.0 where a side is empty.
    """
    if not newer or not older:
        return 1.0
    ranks = doubled_ranks([*newer, *older])
    mine = sum(ranks[: len(newer)])
    if len(ranks) <= EXACT:
        return float(_share_at_least(ranks, len(newer), mine))
    return _normal(ranks, len(newer), mine)


def doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value, in their order: ties share the middle of theirs, and it stays a whole number."""
    order = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for n, value in enumerate(order, 1):
        first.setdefault(value, n)
        last[value] = n
    return [first[v] + last[v] for v in values]


def _share_at_least(ranks: Sequence[int], n: int, wanted: int) -> Fraction:
    """Of all ways to choose `n` of the ranks, the share whose sum is `wanted` or more."""
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(n))]  # by how many were chosen: sum → ways
    for rank in ranks:
        for chosen in range(n, 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + count
    reached = sum(count for total, count in ways[n].items() if total >= wanted)
    return Fraction(reached, math.comb(len(ranks), n))


def _normal(ranks: Sequence[int], n: int, wanted: int) -> float:
    total, m = len(ranks), len(ranks) - n
    mean = n * (total + 1)  # of the doubled rank sum
    ties = sum(ranks.count(r) ** 3 - ranks.count(r) for r in set(ranks))
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1))) * 4
    if variance <= 0:
        return 1.0
    return 1 - NormalDist().cdf((wanted - mean - 1) / math.sqrt(variance))


def least(n: int, m: int) -> float:
    """The smallest p that so few values can give."""
    return 1 / math.comb(n + m, n) if n and m else 1.0


def adjusted(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's q of each p, in their order: the share of false alarms among what is flagged by it."""
    order = sorted(range(len(p)), key=lambda k: p[k], reverse=True)
    found, lowest = [1.0] * len(p), 1.0
    for place, k in enumerate(order):
        lowest = min(lowest, p[k] * len(p) / (len(p) - place))
        found[k] = lowest
    return found
