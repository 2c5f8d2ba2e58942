"""Computes when the boot units of a burned site are back: they boot in parallel lanes, as power returns."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence


def powered(share: float, power: Sequence[tuple[float, float]]) -> float:
    """Return when `share` (0..1) of the site has power; infinity if it never has.

    `power` is a list of (time, share) with rising shares, and linear interpolation in between.
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
    """Return when each boot unit is back, unit 1 first. Units wait for power and for a free lane, in order.

    `unit_seconds` is the boot time of every unit, or of each one. `power` is as in `powered`. The simulation passes
    hours instead of seconds: any unit works if all times have the same.
    """
    each = [float(unit_seconds)] * units if isinstance(unit_seconds, int | float) else unit_seconds
    free = [0.0] * min(lanes, units)
    done = []
    for unit, needed in enumerate(each, 1):
        start = max(heapq.heappop(free), powered(unit / units, power))
        done.append(start + needed)
        heapq.heappush(free, start + needed)
    return done
