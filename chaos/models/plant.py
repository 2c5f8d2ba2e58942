"""How a burned site comes back: servers boot lane by lane, each once its share of the power is there."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence


def powered(share: float, power: Sequence[tuple[float, float]]) -> float:
    """When `share` (0..1) of the site has power. `power` is (seconds, share), rising, read as straight lines between.

    Returns infinity if it never has.
    """
    if share <= power[0][1]:
        return power[0][0]
    for (t0, p0), (t1, p1) in itertools.pairwise(power):
        if p0 < share <= p1:
            return t0 + (t1 - t0) * (share - p0) / (p1 - p0)
    return float("inf")


def boots(
    units: int, unit_seconds: float | Sequence[float], lanes: int, power: Sequence[tuple[float, float]]
) -> list[float]:
    """When each boot unit is back, unit 1 first. A unit waits for its power and for a free lane, in order.

    `unit_seconds` is how long one lane needs for one unit, or for each; `power` as in `powered`.
    """
    each = [float(unit_seconds)] * units if isinstance(unit_seconds, int | float) else unit_seconds
    free = [0.0] * lanes
    done = []
    for unit, needed in enumerate(each, 1):
        start = max(heapq.heappop(free), powered(unit / units, power))
        done.append(start + needed)
        heapq.heappush(free, start + needed)
    return done
