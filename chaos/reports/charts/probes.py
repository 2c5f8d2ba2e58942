"""What the probes saw over time: a strip for each value that was sampled, such as staleness or reports of an outage."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup

from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.reports.charts.frame import ROW, Axis, Row, beside, chart

MOST = 12  # strips
FINEST = 400  # points of a strip


def probes(journal: Journal, judgement: Judgement) -> Markup | None:
    """None where nothing was sampled."""
    axis = Axis.of(journal)
    seen: dict[str, list[tuple[float, float]]] = {}
    for _, e in journal.of("probe.sample"):
        for key, value in e.data.items():
            if isinstance(value, int | float) and math.isfinite(value) and e.t >= axis.begin:
                name = e.subject if key == "value" else f"{e.subject} {key}"
                seen.setdefault(name, []).append((e.t, float(value)))
    if not seen:
        return None
    return chart(journal, axis, "Probes over time", [_row(axis, *item) for item in sorted(seen.items())[:MOST]])


def _row(axis: Axis, name: str, values: list[tuple[float, float]]) -> Row:
    """From 0, or the least value where that is below, to the greatest. Of many points in a place the highest shows."""
    least, most = min(0.0, *(v for _, v in values)), max(v for _, v in values)
    height = (most - least) or 1.0
    width = (axis.end - axis.begin) / FINEST
    highest: dict[int, tuple[float, float]] = {}
    for t, v in values:
        place = math.floor((t - axis.begin) / width)
        highest[place] = max(highest.get(place, (t, v)), (t, v), key=lambda x: x[1])

    def plot(y: float) -> Iterator[str]:
        points = " ".join(f"{axis.x(t):.1f},{y + ROW * (1 - (v - least) / height):.1f}" for t, v in highest.values())
        yield f'<polyline class="median" points="{points}"/>'

    return Row(name[:14], plot, beside(f"up to {most:,g}"))
