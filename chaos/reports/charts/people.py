"""What people saw and said over time: how old the newest thing they were shown was, and the outages they reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from markupsafe import Markup

from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.measures.outcry import filed
from chaos.measures.staleness import age, shown
from chaos.reports.charts.frame import ROW, Axis, Row, beside, chart, rect
from chaos.reports.words import both, count

BINS = 160  # of the whole run


def people(journal: Journal, judgement: Judgement) -> Markup | None:
    """A strip a journey that says how old its content is, and one a region that has people. None without either."""
    axis = Axis.of(journal)
    rows = [*_ages(journal, axis), *_reports(journal, axis)]
    return chart(journal, axis, "What people saw and reported over time", rows) if rows else None


def _ages(journal: Journal, axis: Axis) -> Iterator[Row]:
    seen: dict[str, list[tuple[float, float]]] = {}
    for _, op, _ in shown(journal):
        seen.setdefault(op.journey, []).append((op.t, age(op)))
    for journey, ages in sorted(seen.items()):
        oldest = both(max(a for _, a in ages), journal.plan.scale).partition(" of incident")[0]
        yield _bars(axis, f"{journey} age", _binned(axis, ages, max), "band", oldest)


def _reports(journal: Journal, axis: Axis) -> Iterator[Row]:
    found = filed(journal)
    regions = sorted(journal.plan.people.regions) if journal.plan.people else []
    for region in regions:
        here = [(r.t, 1.0) for r in found if r.region == region]
        yield _bars(axis, region, _binned(axis, here, sum), "reported", count(len(here), "report"))


Of = Callable[[list[float]], float]


def _binned(axis: Axis, values: Iterable[tuple[float, float]], of: Of) -> dict[int, float]:
    width, bins = (axis.end - axis.begin) / BINS, dict[int, list[float]]()
    for t, value in values:
        if axis.begin <= t <= axis.end:
            bins.setdefault(min(math.floor((t - axis.begin) / width), BINS - 1), []).append(value)
    return {k: of(found) for k, found in bins.items()}


def _bars(axis: Axis, name: str, bins: dict[int, float], kind: str, said: str) -> Row:
    """One bar a bin, the highest as high as the strip."""
    most, width = max(bins.values(), default=0.0) or 1.0, (axis.end - axis.begin) / BINS

    def plot(y: float) -> Iterator[str]:
        for k, value in sorted(bins.items()):
            left = axis.x(axis.begin + k * width)
            right, height = axis.x(axis.begin + (k + 1) * width), ROW * value / most
            yield rect(left, y + ROW - height, right - left, height, kind)

    return Row(name[:14], plot, beside(said))
