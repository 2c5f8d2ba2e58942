"""Success over time, one strip for each journey, with its outage and that of the incident."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise

from markupsafe import Markup

from chaos.judge.judgement import Judgement
from chaos.record.journal import Journal
from chaos.report.bins import Bin, bins, nodes_hit
from chaos.report.charts.facts import returns
from chaos.report.charts.frame import ROW, Axis, Row, beside, chart, rect
from chaos.report.words import incident_time, most_used

HIT = "nodes hit"
FINEST, SPARSE = 400, 4  # maximum number of bins; operations a bin should contain


def success(journal: Journal, judgement: Judgement) -> Markup:
    """For the operations of each bin: ok from below, refused from above, unknown between. The bar below shows the
    outage.

    The first strip shows how many nodes were under a fault. A frame under a strip shows when the incident's own users
    had the journey back.
    """
    axis, outages, facts = Axis.of(journal), judgement.measures.outage, returns(journal, judgement)

    def row(journey: str) -> Row:
        found = by_use(journal, journey)

        def plot(y: float) -> Iterator[str]:
            for kind in ("ok", "info", "fail"):
                yield f'<path class="{kind}" d="{stack(found, kind, axis, y)}"/>'
            if o := outages.get(journey):
                x = axis.x(o.begin)
                end = axis.end if o.back is None else o.back
                yield rect(x, y + ROW + 2, max(axis.x(end) - x, 1.0), 3, "outage")
            if journey in facts:
                low, high = facts[journey]
                words = f"the incident: {journey} was back at {_span(low, high)}"
                x = axis.x(low)
                yield rect(x - 1.5, y + ROW + 1, axis.x(high) - x + 3, 6, "fact", title=words)

        return Row(journey, plot, beside(_away(journal, judgement, journey)))

    rows = [_hit(journal, axis), *(row(j) for j in most_used(judgement))]
    return chart(journal, axis, "Success per journey over time", rows)


def by_use(journal: Journal, journey: str) -> list[Bin]:
    """As fine as the journey's traffic allows: bins with one operation would be all or nothing."""
    n = sum(1 for _ in journal.operations(journey))
    return bins(journal, journey, max(24, min(FINEST, n // SPARSE)))


def _hit(journal: Journal, axis: Axis) -> Row:
    """Nodes under any fault as a step line, with the maximum on the right."""
    changes = nodes_hit(journal)
    most = max([n for _, n in changes], default=0)

    def plot(y: float) -> Iterator[str]:
        for (t, n), (until, _) in pairwise(changes):
            if n:
                words = f"{n} of {len(journal.plan.nodes)} nodes under a fault, {_span(t, until)}"
                x, height = axis.x(t), ROW * n / most
                yield rect(x, y + ROW - height, axis.x(until) - x, height, "hit", title=words)

    return Row(HIT, plot, beside(f"up to {most} of {len(journal.plan.nodes)}"))


def stack(found: list[Bin], kind: str, axis: Axis, y: float) -> str:
    """Equal neighbours are merged, so that no seam is visible."""
    path = []
    for (ok, info), run in groupby(found, key=lambda b: (b.ok / b.n, b.info / b.n) if b.n else (-1.0, 0.0)):
        alike = list(run)
        share, below = {"ok": (ok, 0.0), "info": (info, ok), "fail": (1 - ok - info, ok + info)}[kind]
        if ok < 0 or share < 1e-9:
            continue
        left, right = axis.x(alike[0].start), axis.x(alike[-1].end)
        bottom, height = y + ROW * (1 - below), ROW * share
        path.append(f"M{left:.1f} {bottom:.1f}v{-height:.1f}H{right:.1f}v{height:.1f}z")
    return "".join(path)


def _away(journal: Journal, judgement: Judgement, journey: str) -> str:
    found = judgement.measures.rto_s
    if journey not in found:
        return "not used"
    rto = found[journey]
    if rto is None:
        return "never back"
    if rto == 0:
        return "not touched"
    return f"{rto:.2f} s" if journal.plan.scale == 1 else f"{incident_time(rto, journal.plan.scale)}"


def _span(start: float, end: float) -> str:
    return f"{start:.2f} s" if start == end else f"{start:.2f} s to {end:.2f} s"
