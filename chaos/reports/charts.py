"""Success and latency over time as inline SVG, one strip a journey under one time axis.

Drawn here and not by matplotlib: the strips take their colours from the page, so that dark mode and print work, they
weigh a tenth, start without its second of import, and have nothing in them that differs between two builds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from typing import Any

from markupsafe import Markup, escape

from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.reports.bins import Bin, bins, nodes_hit, span
from chaos.reports.words import count, incident_time, most_used

WIDTH, LEFT, RIGHT, BOTTOM = 1040, 92, 128, 34  # pixels of the view box
LINE = 14  # of text
ROW, GAP = 30, 9
LEVELS = 4  # of marks that stand too near to each other for one line
HIT = "nodes hit"
FINEST, SPARSE = 240, 4  # bins at most; operations a bin should hold at least

Strip = Callable[[str, float], Iterator[str]]  # journey, top of its strip → SVG


def success(journal: Journal, judgement: Judgement) -> Markup:
    """Of each bin's operations: ok from below, refused from above, unknown between. The bar below is the outage.

    The first strip says how many nodes were under a fault.
    """
    outages = judgement.measures["outage"]
    x = _axis(journal)

    def strip(journey: str, y: float) -> Iterator[str]:
        if journey == HIT:
            yield from _hit(journal, y)
            return
        found = _bins(journal, journey)
        for kind in ("ok", "info", "fail"):
            yield f'<path class="{kind}" d="{_stack(found, kind, x, y)}"/>'
        if o := outages.get(journey):
            end = span(journal)[1] if o["back"] is None else o["back"]
            width = max(x(end) - x(o["from"]), 1.0)
            yield _rect(x(o["from"]), y + ROW + 2, width, 3, "outage")
        yield _label(_away(journal, judgement, journey), WIDTH - RIGHT + 10, y + ROW / 2 + 4, "away")

    return _chart(journal, "Success per journey over time", strip, (HIT, *most_used(judgement)))


def latency(journal: Journal, judgement: Judgement) -> Markup:
    """Of each bin's answered operations: the median as a line, up to the 95th percentile as a band; log scale."""
    x = _axis(journal)
    low, high = 0.0, 4.0  # powers of ten, milliseconds: 1 ms to 10 s

    def strip(journey: str, y: float) -> Iterator[str]:
        def height(value: float) -> float:
            share = (math.log10(max(value, 1.0)) - low) / (high - low)
            return y + ROW * (1 - min(share, 1.0))

        for power in (1, 2, 3):
            yield _line(LEFT, height(10.0**power), WIDTH - RIGHT, height(10.0**power), "grid")
        yield _label("1 s", WIDTH - RIGHT + 10, height(1000) + 4, "tick")
        yield _label("10 ms", WIDTH - RIGHT + 10, height(10) + 4, "tick")
        band, median = [], []
        for b in _bins(journal, journey):
            if b.waits:
                waits = sorted(b.waits)
                p50, p95 = (waits[max(0, math.ceil(q * len(waits)) - 1)] for q in (0.5, 0.95))
                left, width = x(b.start), x(b.end) - x(b.start)
                band.append(f"M{left:.1f} {height(p50):.1f}V{height(p95) - 0.5:.1f}h{width:.1f}V{height(p50):.1f}z")
                median.append(f"M{left:.1f} {height(p50):.1f}h{width:.1f}")
        yield f'<path class="band" d="{"".join(band)}"/><path class="median" d="{"".join(median)}"/>'

    return _chart(journal, "Latency per journey over time", strip, most_used(judgement))


def _chart(journal: Journal, title: str, strip: Strip, rows: tuple[str, ...]) -> Markup:
    top = LINE * min(LEVELS, len(journal.plan.steps) + len(journal.plan.acts)) + 2 * GAP
    bottom = top + len(rows) * (ROW + GAP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {bottom + BOTTOM}" role="img" aria-label="{escape(title)}">',
        *_shades(journal, top, bottom),
        *_scale(journal, top, bottom),
    ]
    for k, row in enumerate(rows):
        y = top + k * (ROW + GAP)
        parts += [_rect(LEFT, y, WIDTH - LEFT - RIGHT, ROW, "ground"), *strip(row, y)]
        parts.append(_label(row, LEFT - 10, y + ROW / 2 + 4, "name"))
    return Markup("\n".join([*parts, *_marks(journal, bottom), "</svg>"]))


def _axis(journal: Journal) -> Callable[[float], float]:
    begin, end = span(journal)
    return lambda t: LEFT + (min(max(t, begin), end) - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)


def _hit(journal: Journal, y: float) -> Iterator[str]:
    """Nodes under any fault, as a step line with its highest value at the right."""
    changes, x = nodes_hit(journal), _axis(journal)
    most = max([n for _, n in changes], default=0)
    yield "".join(
        _rect(x(t), y + ROW * (1 - n / most), x(until) - x(t), ROW * n / most, "hit")
        for (t, n), (until, _) in pairwise(changes)
        if n
    )
    yield _label(f"up to {most} of {len(journal.plan.nodes)}", WIDTH - RIGHT + 10, y + ROW / 2 + 4, "away")


def _shades(journal: Journal, top: float, bottom: float) -> Iterator[str]:
    """The faults behind everything: the darker, the more nodes they hold at once."""
    changes, x = nodes_hit(journal), _axis(journal)
    most = max([n for _, n in changes], default=0)
    for (t, n), (until, _) in pairwise(changes):
        if n:
            opacity = 0.08 + 0.22 * n / most
            yield _rect(x(t), top - 6, x(until) - x(t), bottom - top + 6, "fault", f' fill-opacity="{opacity:.2f}"')


def _scale(journal: Journal, top: float, bottom: float) -> Iterator[str]:
    begin, end = span(journal)
    scale, x = journal.plan.scale, _axis(journal)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10**9) if (end - begin) / s <= 13)
    for k in range(math.ceil(begin / step), math.floor(end / step) + 1):
        t = k * step
        yield _line(x(t), top - 6, x(t), bottom, "grid")
        yield _label(f"{t} s", x(t), bottom + 13, "tick middle")
        if scale != 1 and t >= 0:
            yield _label(incident_time(t, scale) if t else "0", x(t), bottom + 27, "tick middle dim")
    if scale != 1:
        yield _label("incident", LEFT - 24, bottom + 27, "tick end dim")
    yield _label("run", LEFT - 24, bottom + 13, "tick end")


def _marks(journal: Journal, bottom: float) -> Iterator[str]:
    """When a fault struck and when an operator acted, named on steps of their own so that near ones stay legible."""
    x = _axis(journal)
    marks = [(s.at, f"{s.id}: {s.fault}, {count(len(s.nodes), 'node')}", "blow") for s in journal.plan.steps]
    marks += [(a.at, f"{a.id}: operator", "act") for a in journal.plan.acts]
    for k, (t, words, kind) in enumerate(sorted(marks)):
        y = LINE * (1 + k % LEVELS)
        yield _line(x(t), y - 8, x(t), bottom, kind)
        side, gap = ("end", -5) if x(t) > WIDTH * 0.7 else ("start", 5)
        yield _label(words, x(t) + gap, y, f"mark {side}")


def _bins(journal: Journal, journey: str) -> list[Bin]:
    """As fine as the journey's traffic allows: a bin of one operation would be all or nothing."""
    n = sum(1 for _ in journal.operations(journey))
    return bins(journal, journey, max(24, min(FINEST, n // SPARSE)))


def _stack(found: list[Bin], kind: str, x: Callable[[float], float], y: float) -> str:
    """Equal neighbours are drawn as one, so that no seam shows between them."""
    path = []
    for (ok, info), run in groupby(found, key=lambda b: (b.ok / b.n, b.info / b.n) if b.n else (-1.0, 0.0)):
        alike = list(run)
        share, below = {"ok": (ok, 0.0), "info": (info, ok), "fail": (1 - ok - info, ok + info)}[kind]
        if ok < 0 or share < 1e-9:
            continue
        left, right = x(alike[0].start), x(alike[-1].end)
        bottom, height = y + ROW * (1 - below), ROW * share
        path.append(f"M{left:.1f} {bottom:.1f}v{-height:.1f}H{right:.1f}v{height:.1f}z")
    return "".join(path)


def _away(journal: Journal, judgement: Judgement, journey: str) -> str:
    rto: Any = judgement.measures["rto_s"].get(journey, "")
    if rto == "":
        return "not used"
    if rto is None:
        return "never back"
    if rto == 0:
        return "not touched"
    return f"{rto:.2f} s" if journal.plan.scale == 1 else f"{incident_time(rto, journal.plan.scale)}"


def _rect(x: float, y: float, width: float, height: float, kind: str, more: str = "") -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{more}/>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _label(words: str, x: float, y: float, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
