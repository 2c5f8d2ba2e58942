"""What people saw and reported over time: the age of the newest content they were shown, and their outage reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from markupsafe import Markup

from chaos.judge.beside import outage_reports
from chaos.judge.judgement import Judgement
from chaos.judge.measures.staleness import age, shown
from chaos.record.journal import Journal
from chaos.report.charts.frame import ROW, Axis, Row, beside, chart, rect
from chaos.report.words import both, count

BINS = 160  # for the whole run


def people(journal: Journal, judgement: Judgement) -> Markup | None:
    """A strip for each journey that reports the age of content, and for each region with people. None without
    either.
    """
    axis = Axis.of(journal)
    rows = [*_ages(journal, axis), *_reports(journal, judgement, axis)]
    return chart(journal, axis, "What people saw and reported over time", rows) if rows else None


def _ages(journal: Journal, axis: Axis) -> Iterator[Row]:
    seen: dict[str, list[tuple[float, float]]] = {}
    for _, op, _ in shown(journal):
        seen.setdefault(op.journey, []).append((op.t, age(op)))
    for journey, ages in sorted(seen.items()):
        oldest = both(max(a for _, a in ages), journal.plan.scale).partition(" of incident")[0]
        yield _bars(axis, f"{journey} age", _binned(axis, ages, max), "band", oldest)


def _reports(journal: Journal, judgement: Judgement, axis: Axis) -> Iterator[Row]:
    found, reports = outage_reports(journal), judgement.measures.reports
    for region in sorted(reports.regions) if reports else ():
        here = [(t, 1.0) for t, where in found if where == region]
        yield _bars(axis, region, _binned(axis, here, sum), "reported", count(len(here), "report"))


Of = Callable[[list[float]], float]


def _binned(axis: Axis, values: Iterable[tuple[float, float]], of: Of) -> dict[int, float]:
    width, bins = (axis.end - axis.begin) / BINS, dict[int, list[float]]()
    for t, value in values:
        if axis.begin <= t <= axis.end:
            bins.setdefault(min(math.floor((t - axis.begin) / width), BINS - 1), []).append(value)
    return {k: of(found) for k, found in bins.items()}


def _bars(axis: Axis, name: str, bins: dict[int, float], kind: str, said: str) -> Row:
    """One bar for each bin; the highest one fills the strip."""
    most, width = max(bins.values(), default=0.0) or 1.0, (axis.end - axis.begin) / BINS

    def plot(y: float) -> Iterator[str]:
        for k, value in sorted(bins.items()):
            left = axis.x(axis.begin + k * width)
            right, height = axis.x(axis.begin + (k + 1) * width), ROW * value / most
            yield rect(left, y + ROW - height, right - left, height, kind)

    return Row(name[:14], plot, beside(said))
