"""What a run measured: pure functions of the journal, and all of them as one value for findings.json."""

from __future__ import annotations

from typing import Any

from chaos.journal import Journal
from chaos.measures.delivery import delivery
from chaos.measures.outcry import outcry
from chaos.measures.phases import resolution
from chaos.measures.reach import blast_radius, load, probes, servers_back
from chaos.measures.recovery import recovery
from chaos.measures.sessions import sessions
from chaos.measures.staleness import staleness
from chaos.measures.success import availability, latency_ms


def measure(journal: Journal) -> dict[str, Any]:
    """Every measure, in the shape of findings.json: JSON-able, rounded, the same for the same journal.

    Times are run seconds on the timeline (`_s`) or milliseconds (`_ms`). Every journey's figures have the number of
    operations behind them in availability.JOURNEY.counts, and their grain in resolution_s. A measure
    that the journal cannot give is absent; None says "never".
    """
    back = recovery(journal)
    journeys = journal.journeys
    hurt = [j for j, s in back["rto_s"].items() if s != 0.0]
    radius: dict[str, Any] = {**blast_radius(journal), "journeys": hurt}
    found: dict[str, Any] = {
        "availability": availability(journal),
        "latency_ms": latency_ms(journal),
        **back,
        **delivery(journal),
        "resolution_s": {j: None if (r := resolution(journal, j)) is None else round(r, 3) for j in journeys},
        "blast_radius": radius,
        "load": load(journal),
        "sessions": sessions(journal),
    }
    if old := staleness(journal):
        found["staleness"] = old
    if cries := outcry(journal):
        found["reports"] = cries
    if site := servers_back(journal):
        found["servers_back"] = [[round(t, 3), round(share, 4)] for t, share in site]
    if seen := probes(journal):
        found["probes"] = seen
    return found
