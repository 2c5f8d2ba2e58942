"""A model of people who have read the news: they report that the service is going down, whether or not it is.

The model does not know the state of the service. The dossier gives the number of reports before and after the news, and
the seed decides only when they come. Counts of whole windows are exact, so that a run reproduces the facts that it was
calibrated with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.incidents.draws import unit

WIDTH = 1 / 12  # width of an alarm's bin, as a share of the window: 15 minutes of 3 hours
FACTOR = 3.0  # multiple of the ordinary number of reports that raises an alarm


@dataclass(frozen=True)
class Night:
    """A night with `before` reports in the `window` seconds before `news`, and `after` reports in those after it."""

    news: float
    window: float
    before: int
    after: int

    def counted(self, times: Sequence[float], start: float, end: float) -> int:
        return sum(start <= t < end for t in times)


def reports(seed: int, night: Night) -> tuple[float, ...]:
    """Return the times of all reports in run seconds, in order, from one window before the news to one after it."""
    early = _spread(seed, "before", night.before, night.news - night.window, night.window)
    return tuple(sorted([*early, *_spread(seed, "after", night.after, night.news, night.window)]))


def _spread(seed: int, what: str, count: int, start: float, window: float) -> list[float]:
    """Return one time in each slot of window/count seconds, at a random position in it."""
    return [start + (k + unit(seed, what, k)) * window / count for k in range(count)]


def alarms(night: Night, times: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return the periods of alarm: bins with at least FACTOR times the ordinary count. Adjacent bins are merged."""
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
