"""What all charts share: the time axis, the faults in the background, and the labels.

Everything on the time axis is drawn into an inner SVG with the coordinates of the outer one. To zoom, the page's script
changes the inner view box. Text is outside of it, so that it is moved and not stretched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from chaos.record.journal import Journal
from chaos.report.bins import nodes_hit, span
from chaos.report.words import count, incident_time

WIDTH, LEFT, RIGHT, BOTTOM = 1096, 128, 112, 34  # pixels of the view box
PLOT = WIDTH - LEFT - RIGHT
LINE = 14  # height of a line of text
ROW, GAP = 30, 9
LEVELS = 4  # lines for marks that are too close to each other
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10**9)  # seconds between two ticks
TICKS = 13  # at most


@dataclass(frozen=True)
class Axis:
    """Converts seconds on the timeline to pixels."""

    begin: float
    end: float

    @classmethod
    def of(cls, journal: Journal) -> Axis:
        return cls(*span(journal))

    def x(self, t: float) -> float:
        """Times outside of the axis are placed at its end."""
        return LEFT + (min(max(t, self.begin), self.end) - self.begin) / (self.end - self.begin) * PLOT


@dataclass(frozen=True)
class Row:
    """One strip. `plot` draws into the inner SVG, from the strip's top; `beside` is the text on its right."""

    name: str
    plot: Callable[[float], Iterable[str]]
    beside: Callable[[float], Iterable[str]] = lambda y: ()
    height: float = ROW
    gap: float = GAP
    kind: str = "name"


def chart(journal: Journal, axis: Axis, title: str, rows: Sequence[Row]) -> Markup:
    top = LINE * min(LEVELS, len(journal.plan.steps) + len(journal.plan.acts)) + 2 * GAP
    tops = [float(top)]
    for row in rows:
        tops.append(tops[-1] + row.height + row.gap)
    bottom = tops.pop()
    height = bottom + BOTTOM
    place = f'x="{LEFT}" y="0" width="{PLOT}" height="{height:g}" viewBox="{LEFT} 0 {PLOT} {height:g}"'
    plot = [f'<svg class="plot" {place} preserveAspectRatio="none">']
    plot += [*_shades(journal, axis, top, bottom), *_grid(axis, top, bottom)]
    words = []
    for row, y in zip(rows, tops, strict=True):
        plot += [rect(LEFT, y, PLOT, row.height, "ground"), *row.plot(y)]
        words += [label(row.name, LEFT - 10, y + row.height / 2 + 4, row.kind), *row.beside(y)]
    plot += [*_blows(journal, axis, bottom), "</svg>"]
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
    parts = [head, *plot, *words, *_ticks(journal, axis, bottom), *_marks(journal, axis), "</svg>"]
    return Markup("\n".join(parts))


def _shades(journal: Journal, axis: Axis, top: float, bottom: float) -> Iterator[str]:
    """The faults in the background: the more nodes they affect at once, the darker."""
    changes = nodes_hit(journal)
    most = max([n for _, n in changes], default=0)
    for (t, n), (until, _) in pairwise(changes):
        if n:
            x, opacity = axis.x(t), 0.08 + 0.22 * n / most
            yield rect(x, top - 6, axis.x(until) - x, bottom - top + 6, "fault", f' fill-opacity="{opacity:.2f}"')


def _times(axis: Axis) -> list[int]:
    step = next(s for s in STEPS if (axis.end - axis.begin) / s <= TICKS)
    return [k * step for k in range(math.ceil(axis.begin / step), math.floor(axis.end / step) + 1)]


def _grid(axis: Axis, top: float, bottom: float) -> Iterator[str]:
    lines = "".join(line(axis.x(t), top - 6, axis.x(t), bottom, "grid") for t in _times(axis))
    yield f'<g class="lines" data-y="{top - 6:.1f} {bottom:.1f}">{lines}</g>'


def _ticks(journal: Journal, axis: Axis, bottom: float) -> Iterator[str]:
    scale = journal.plan.scale
    yield f'<g class="ticks" data-y="{bottom + 13:.1f} {bottom + 27:.1f}">'
    for t in _times(axis):
        yield label(f"{t} s", axis.x(t), bottom + 13, "tick middle")
        if scale != 1 and t >= 0:
            yield label(incident_time(t, scale) if t else "0", axis.x(t), bottom + 27, "tick middle dim")
    yield "</g>"
    if scale != 1:
        yield label("incident", LEFT - 24, bottom + 27, "tick end dim")
    yield label("run", LEFT - 24, bottom + 13, "tick end")


def _planned(journal: Journal) -> list[tuple[float, str, str]]:
    """When faults were planned to start and operators to act, in order."""
    marks = [(s.at, f"{s.id}: {s.fault}, {count(len(s.nodes), 'node')}", "blow") for s in journal.plan.steps]
    return sorted(marks + [(a.at, f"{a.id}: operator", "act") for a in journal.plan.acts])


def _blows(journal: Journal, axis: Axis, bottom: float) -> Iterator[str]:
    for k, (t, _, kind) in enumerate(_planned(journal)):
        yield line(axis.x(t), LINE * (1 + k % LEVELS) - 8, axis.x(t), bottom, kind)


def _marks(journal: Journal, axis: Axis) -> Iterator[str]:
    """Their names, on different lines so that they do not overlap."""
    yield '<g class="marks">'
    for k, (t, words, _) in enumerate(_planned(journal)):
        x = axis.x(t)
        side, gap = ("end", -5) if x > WIDTH * 0.7 else ("start", 5)
        yield label(words, x + gap, LINE * (1 + k % LEVELS), f"mark {side}")
    yield "</g>"


def rect(x: float, y: float, width: float, height: float, kind: str, more: str = "", title: str = "") -> str:
    """`title` is the tooltip."""
    end = f"><title>{escape(title)}</title></rect>" if title else "/>"
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{more}{end}'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def label(words: str, x: float, y: float, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def beside(words: str, kind: str = "away") -> Callable[[float], Iterable[str]]:
    """Text on the right of a strip of normal height."""
    return lambda y: [label(words, WIDTH - RIGHT + 10, y + ROW / 2 + 4, kind)]


def steps(points: Sequence[tuple[float, float]], end: float, axis: Axis, y: float, height: float, kind: str) -> str:
    """The area under a step function: (seconds, 0 to 1) from each point to the next, the last one to `end`."""
    path = [f"M{axis.x(points[0][0]):.1f} {y + height:.1f}"]
    for (t, share), until in zip(points, [t for t, _ in points[1:]] + [end], strict=True):
        path.append(f"L{axis.x(t):.1f} {y + height * (1 - share):.1f}H{axis.x(until):.1f}")
    return f'<path class="{kind}" d="{"".join(path)}V{y + height:.1f}z"/>'
