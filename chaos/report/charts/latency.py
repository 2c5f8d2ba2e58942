"""Latency over time on a logarithmic scale, one strip for each journey."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from markupsafe import Markup

from chaos.judge.judgement import Judgement
from chaos.record.journal import Journal
from chaos.report.charts.frame import LEFT, RIGHT, ROW, WIDTH, Axis, Row, chart, label, line
from chaos.report.charts.success import by_use
from chaos.report.words import most_used

LOW, HIGH = 0.0, 4.0  # powers of ten, milliseconds: 1 ms to 10 s


def latency(journal: Journal, judgement: Judgement) -> Markup:
    """For the successful operations of each bin: the median as a line, and a band up to the 95th percentile."""
    axis = Axis.of(journal)

    def row(journey: str) -> Row:
        def plot(y: float) -> Iterator[str]:
            for power in (1, 2, 3):
                yield line(LEFT, _height(10.0**power, y), WIDTH - RIGHT, _height(10.0**power, y), "grid")
            band, median = [], []
            for b in by_use(journal, journey):
                if b.waits:
                    waits = sorted(b.waits)
                    p50, p95 = (_height(waits[max(0, math.ceil(q * len(waits)) - 1)], y) for q in (0.5, 0.95))
                    left, width = axis.x(b.start), axis.x(b.end) - axis.x(b.start)
                    band.append(f"M{left:.1f} {p50:.1f}V{p95 - 0.5:.1f}h{width:.1f}V{p50:.1f}z")
                    median.append(f"M{left:.1f} {p50:.1f}h{width:.1f}")
            yield f'<path class="band" d="{"".join(band)}"/><path class="median" d="{"".join(median)}"/>'

        return Row(journey, plot, _scale)

    return chart(journal, axis, "Latency per journey over time", [row(j) for j in most_used(judgement)])


def _height(ms: float, y: float) -> float:
    share = (math.log10(max(ms, 1.0)) - LOW) / (HIGH - LOW)
    return y + ROW * (1 - min(share, 1.0))


def _scale(y: float) -> Iterable[str]:
    x = WIDTH - RIGHT + 10
    return [label(words, x, _height(ms, y) + 4, "tick") for words, ms in (("1 s", 1000), ("10 ms", 10))]
