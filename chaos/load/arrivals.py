"""The schedule of arrivals: when, which user, and which journey. An open schedule, and a pure function of seed, rate
and users.

Arrivals are stratified: one at a random moment of each slot of 1/rate seconds. Poisson arrivals would be just as open,
but they have gaps (at 2 a second, one interval of 2 s in 55 is empty), and a gap looks like an outage that has not
ended. The system is far from saturation here, so the bursts of a Poisson process would not show anything.

The user and the journey of an arrival come from a point of a sequence that fills the unit square evenly (a rotation by
powers of the plastic number, from a seeded start). So every journey, which is a rectangle of that square, gets its
share within a few seconds: at 60/s the longest gap of a journey with 5 % of arrivals is 0.8 s, compared with 1.9 to 2.9
s in four minutes of independent draws.

A slot depends only on the seed and its own number: the arrivals after t = 0 are the same in every run of a seed,
however long the steady phase was.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple

_PLASTIC = 1.324717957244746  # x**3 = x + 1: its powers are the steps that fill a square most evenly
_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2)


class Arrival(NamedTuple):
    t: float  # seconds on the timeline, whole microseconds
    user: int  # 0 … users - 1
    draw: float  # [0, 1): decides which of the user's journeys it is


def schedule(seed: int, rate: float, users: int, start: float, end: float) -> list[Arrival]:
    """Arrivals in [start, end) at `rate` a second among `users`, in order of time. Times may be negative."""
    assert rate > 0 and users > 0, (rate, users)
    origin = Random(seed)
    across, up = origin.random(), origin.random()
    found = []
    for slot in range(math.floor(start * rate), math.ceil(end * rate)):
        t = round((slot + Random(f"{seed}:{slot}").random()) / rate, 6)
        if start <= t < end:
            who, what = (across + slot * _STEPS[0]) % 1.0, (up + slot * _STEPS[1]) % 1.0
            found.append(Arrival(t, min(int(who * users), users - 1), what))
    return sorted(found)  # rounding may swap neighbours at a slot's border


def with_peak(
    arrivals: Sequence[Arrival], seed: int, rate: float, users: int, peak: tuple[float, float, float]
) -> list[Arrival]:
    """`arrivals`, and additional ones from `peak[0]` to `peak[1]` that raise the rate to `peak[2]` times `rate`.

    The ordinary arrivals stay as they are: a peak later in a run changes nothing before it.
    """
    start, end, times = peak
    assert times > 1 and end > start, peak
    return sorted([*arrivals, *schedule(seed + 1_000_003, rate * (times - 1), users, start, end)])


def apportion(weights: Sequence[float], least: Sequence[int], count: int) -> list[int]:
    """`count` split in proportion to `weights` by largest remainder, with at least `least` for each.

    Raises ValueError if `count` is less than the sum of `least`.
    """
    if count < sum(least):
        raise ValueError(f"{count} users are too few; at least {sum(least)} are needed")
    total = sum(weights)
    ideal = [count * w / total for w in weights]
    given = [max(math.floor(x), low) for x, low in zip(ideal, least, strict=True)]
    while sum(given) < count:
        given[max(range(len(given)), key=lambda i: ideal[i] - given[i])] += 1
    while sum(given) > count:
        spare = [i for i in range(len(given)) if given[i] > least[i]]
        given[max(spare, key=lambda i: given[i] - ideal[i])] -= 1
    return given


def choose(weights: Sequence[float], draw: float) -> int:
    """Index of the weight that `draw` in [0, 1) falls into: an index is chosen in proportion to its weight."""
    edges = list(accumulate(weights))
    return min(bisect_right(edges, draw * edges[-1]), len(edges) - 1)
