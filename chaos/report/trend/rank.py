"""The statistics of trends, exact and deterministic: the Mann-Whitney test, and the correction for many tests."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import NormalDist

EXACT = 60  # total number of runs up to which the test is exact


def worse(newer: Sequence[float], older: Sequence[float]) -> float:
    """One-sided p of Mann and Whitney's U: the probability of values this great if both sides had one distribution.

    Ties share their ranks. Up to EXACT values p is exact, also with ties (all permutations of the ranks are counted);
    beyond that the normal approximation is used, with corrections for ties and continuity. Infinity is greater than all
    other values. 1.0 if a side is empty.
    """
    if not newer or not older:
        return 1.0
    ranks = doubled_ranks([*newer, *older])
    mine = sum(ranks[: len(newer)])
    if len(ranks) <= EXACT:
        return float(_share_at_least(tuple(sorted(ranks)), len(newer), mine))
    return _normal(ranks, len(newer), mine)


def doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value, in their order: ties share the middle rank, and doubling keeps it an integer."""
    order = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for n, value in enumerate(order, 1):
        first.setdefault(value, n)
        last[value] = n
    return [first[v] + last[v] for v in values]


def _share_at_least(ranks: tuple[int, ...], n: int, wanted: int) -> Fraction:
    """Of all ways to choose `n` of the ranks, the share with a sum of `wanted` or more."""
    reached = sum(count for total, count in _ways(ranks, n).items() if total >= wanted)
    return Fraction(reached, math.comb(len(ranks), n))


@functools.lru_cache(maxsize=256)
def _ways(ranks: tuple[int, ...], n: int) -> Mapping[int, int]:
    """By sum, the number of ways to choose `n` of the ranks with that sum."""
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(n))]  # indexed by the number of chosen ranks
    for rank in ranks:
        for chosen in range(n, 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + count
    return ways[n]


def _normal(ranks: Sequence[int], n: int, wanted: int) -> float:
    total, m = len(ranks), len(ranks) - n
    mean = n * (total + 1)  # of the doubled rank sum
    ties = sum(ranks.count(r) ** 3 - ranks.count(r) for r in set(ranks))
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1))) * 4
    if variance <= 0:
        return 1.0
    return 1 - NormalDist().cdf((wanted - mean - 1) / math.sqrt(variance))


def least(n: int, m: int) -> float:
    """The smallest p that is possible with so few values."""
    return 1 / math.comb(n + m, n) if n and m else 1.0


def adjusted(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's q of each p, in their order: the expected share of false alarms at that threshold."""
    order = sorted(range(len(p)), key=lambda k: p[k], reverse=True)
    found, lowest = [1.0] * len(p), 1.0
    for place, k in enumerate(order):
        lowest = min(lowest, p[k] * len(p) / (len(p) - place))
        found[k] = lowest
    return found
