"""The blast radius: which nodes, components, zones and owners the faults hit, and which journeys they affected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chaos.record.findings import Radius
from chaos.record.journal import Journal


def blast_radius(journal: Journal, journeys: Sequence[str]) -> Radius:
    """The nodes on which a fault was confirmed, with their components, zones and owners, and the journeys it
    affected.
    """
    hit = {name for w in journal.windows for name in w.nodes}
    nodes = [n for n in journal.plan.nodes if n["name"] in hit]
    return Radius(
        nodes=_each(n["name"] for n in nodes),
        components=_each(n["component"] for n in nodes),
        zones=_each(n["zone"] for n in nodes),
        owners=_each(n["owner"] for n in nodes),
        journeys=tuple(journeys),
    )


def _each(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({word for word in words if word}))
