"""Nodes over time: the share that served, the plant's boot units compared with the incident's, and a lane for each
node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markupsafe import Markup

from chaos.judge.judgement import Judgement
from chaos.judge.measures.nodes import UP, Stay, lanes, up
from chaos.record.journal import Journal
from chaos.report.charts.facts import servers_back
from chaos.report.charts.frame import RIGHT, ROW, WIDTH, Axis, Row, beside, chart, label, rect, steps

LANE, BETWEEN, APART = 11, 3, 12  # pixels: a lane, the gap below it, the gap between zones


def servers(journal: Journal, judgement: Judgement) -> Markup:
    """The share of nodes that served, in total and by zone; then the boot units, with the dossier's figures as dots."""
    axis = Axis.of(journal)
    stays = lanes(journal, axis.begin, axis.end)
    rows = [_served(axis, "all nodes", stays.values())]
    zones = sorted({n["zone"] for n in journal.plan.nodes})
    for zone in zones if len(zones) > 1 else []:
        names = [n["name"] for n in journal.plan.nodes if n["zone"] == zone]
        rows.append(_served(axis, f"zone {zone}" if zone else "no zone", [stays[n] for n in names]))
    if back := judgement.measures.servers_back:
        rows.append(_units(journal, judgement, axis, list(back)))
    return chart(journal, axis, "Nodes that served over time", rows)


def nodes(journal: Journal, judgement: Judgement) -> Markup:
    """A lane for each node, by zone; nothing is drawn while it was up."""
    axis = Axis.of(journal)
    stays = lanes(journal, axis.begin, axis.end)
    ordered = sorted(journal.plan.nodes, key=lambda n: (n["zone"], n["name"]))
    rows = []
    for k, node in enumerate(ordered):
        last = k + 1 < len(ordered) and ordered[k + 1]["zone"] != node["zone"]
        rows.append(_lane(axis, node["name"], node["zone"], stays[node["name"]], APART if last else BETWEEN))
    return chart(journal, axis, "Each node's state over time", rows)


def _served(axis: Axis, name: str, stays: Iterable[tuple[Stay, ...]]) -> Row:
    lanes_ = dict(enumerate(stays))
    points = [(t, n / len(lanes_)) for t, n in up({str(k): lane for k, lane in lanes_.items()})] or [(axis.begin, 0.0)]
    least = round(min(share for _, share in points) * len(lanes_))

    def plot(y: float) -> Iterator[str]:
        yield steps(points, axis.end, axis, y, ROW, "up")

    return Row(name, plot, beside(f"least: {least} of {len(lanes_)}"))


def _units(journal: Journal, judgement: Judgement, axis: Axis, back: list[tuple[float, float]]) -> Row:
    onset = max(journal.disturbed.start, axis.begin)
    points = [(axis.begin, 1.0), (onset, 0.0), *back]
    facts = servers_back(journal, judgement)

    def plot(y: float) -> Iterator[str]:
        yield steps(points, axis.end, axis, y, ROW, "up")
        for t, low, high in facts:
            words = f"the incident: {low:.0%} of the servers were back at {t:.2f} s of this run"
            top = y + ROW * (1 - high) - 2.5
            yield rect(axis.x(t) - 2.5, top, 5, ROW * (high - low) + 5, "fact", title=words)

    return Row("units back", plot, beside(f"{back[-1][1]:.0%} in the end"))


def _lane(axis: Axis, name: str, zone: str, stays: tuple[Stay, ...], gap: float) -> Row:
    def plot(y: float) -> Iterator[str]:
        for s in stays:
            if s.state != UP:
                words = f"{name}: {s.state}, {s.start:.2f} s to {s.end:.2f} s"
                x = axis.x(s.start)
                yield rect(x, y, max(axis.x(s.end) - x, 1.0), LANE, f"node-{s.state}", title=words)

    away = sum(s.end - s.start for s in stays if s.state != UP)
    words = f"{away:.1f} s not well" if away else "well"

    def right(y: float) -> Iterable[str]:
        return [label(words, WIDTH - RIGHT + 10, y + LANE - 2, "tick" if away else "tick dim")]

    return Row(name, plot, right, LANE, gap, "lane")
