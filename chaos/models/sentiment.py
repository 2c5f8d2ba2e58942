"""A model of people who have read the news: they ask whether the service is going down, whether it is or not.

It knows nothing of the service. How often people ask on an ordinary night, and how many times as often once people
have left, are facts of the dossier; the seed only says when. Counts of whole windows are exact, so that what
a run is set by is reproduced and not diced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.models.draws import unit

WIDTH = 1 / 12  # of the window: a quarter of an hour of three, in which an alarm counts
FACTOR = 3.0  # times as many reports as on an ordinary night ring the alarm


@dataclass(frozen=True)
class Night:
    """`before` reports in the `window` seconds before `news`, `after` in those since."""

    news: float
    window: float
    before: int
    after: int

    def counted(self, times: Sequence[float], start: float, end: float) -> int:
        return sum(start <= t < end for t in times)


def reports(seed: int, night: Night) -> tuple[float, ...]:
    """When somebody reports, in run seconds on the timeline, in order: from a window before the news to one after."""
    early = _spread(seed, "before", night.before, night.news - night.window, night.window)
    return tuple(sorted([*early, *_spread(seed, "after", night.after, night.news, night.window)]))


def _spread(seed: int, what: str, count: int, start: float, window: float) -> list[float]:
    """One in each slot of window/count seconds, somewhere in it."""
    return [start + (k + unit(seed, what, k)) * window / count for k in range(count)]


def alarms(night: Night, times: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Stretches in which a counter of reports rings: FACTOR times the ordinary count in bins of WIDTH of the window."""
    width = night.window * WIDTH
    ordinary = night.before * WIDTH
    bins = [night.news - night.window + k * width for k in range(round(2 / WIDTH))]
    found: list[tuple[float, float]] = []
    for start in bins:
        if night.counted(times, start, start + width) >= FACTOR * ordinary:
            if found and abs(found[-1][1] - start) < 1e-9 * max(1.0, abs(start)) + 1e-9:
                found[-1] = (found[-1][0], start + width)
            else:
                found.append((start, start + width))
    return tuple(found)
