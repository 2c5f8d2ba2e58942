"""The probes' values over time: a strip for each sampled value, such as staleness, or how long an answer took."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup

from chaos.judge.judgement import Judgement
from chaos.judge.measures.answers import tolerant
from chaos.record.journal import Journal
from chaos.report.charts.frame import ROW, Axis, Row, beside, chart

MOST = 12  # maximum number of strips
FINEST = 400  # maximum number of points in a strip


def probes(journal: Journal, judgement: Judgement) -> Markup | None:
    """None if nothing was sampled."""
    axis = Axis.of(journal)
    seen: dict[str, list[tuple[float, float]]] = {}
    asked = {p.name for p in tolerant(journal)}  # the chart of answers has the rest of them
    for _, e in journal.of("probe.sample"):
        for key, value in e.data.items():
            if e.subject in asked and key not in ("ms", "value"):
                continue
            if isinstance(value, int | float) and math.isfinite(value) and e.t >= axis.begin:
                name = e.subject if key == "value" else f"{e.subject} {key}"
                seen.setdefault(name, []).append((e.t, float(value)))
    if not seen:
        return None
    return chart(journal, axis, "Probes over time", [_row(axis, *item) for item in sorted(seen.items())[:MOST]])


def _row(axis: Axis, name: str, values: list[tuple[float, float]]) -> Row:
    """The scale starts at 0, or at the lowest value if that is negative. Of several points at one place, the highest
    shows.
    """
    least, most = min(0.0, *(v for _, v in values)), max(v for _, v in values)
    height = (most - least) or 1.0
    width = (axis.end - axis.begin) / FINEST
    highest: dict[int, tuple[float, float]] = {}
    for t, v in values:
        place = math.floor((t - axis.begin) / width)
        highest[place] = max(highest.get(place, (t, v)), (t, v), key=lambda x: x[1])

    shown = sorted(highest.values())  # answers that overlap came in another order

    def plot(y: float) -> Iterator[str]:
        points = " ".join(f"{axis.x(t):.1f},{y + ROW * (1 - (v - least) / height):.1f}" for t, v in shown)
        yield f'<polyline class="median" points="{points}"/>'

    return Row(name[:14], plot, beside(f"up to {most:,g}"))
