"""The measures of a run: pure functions of the journal, collected in one value for findings.json."""

from __future__ import annotations

from chaos.judge.measures.asked import probe_availability, probe_rto_s
from chaos.judge.measures.blast_radius import blast_radius
from chaos.judge.measures.delivery import delivery, rpo
from chaos.judge.measures.load import load
from chaos.judge.measures.phases import resolution
from chaos.judge.measures.recovery import away, every_outage, return_fractions, worst
from chaos.judge.measures.sampled import probes
from chaos.judge.measures.servers import servers_back
from chaos.judge.measures.sessions import sessions
from chaos.judge.measures.staleness import staleness
from chaos.judge.measures.success import availability, latency_ms
from chaos.record.findings import Measures
from chaos.record.journal import Journal


def measure(journal: Journal) -> Measures:
    """All built-in measures, rounded. The same journal always gives the same values.

    chaos/record/findings.py documents each measure. The caller fills in `reports` and `added`.
    """
    outages = every_outage(journal)
    rto = away(outages)
    return Measures(
        availability=availability(journal),
        latency_ms=latency_ms(journal),
        rto_s=rto,
        outage=worst(outages),
        return_fraction=return_fractions(journal, outages),
        resolution_s={j: None if (r := resolution(journal, j)) is None else round(r, 3) for j in journal.journeys},
        delivery=delivery(journal),
        rpo_s=rpo(journal),
        blast_radius=blast_radius(journal, [j for j, s in rto.items() if s != 0.0]),
        load=load(journal),
        sessions=sessions(journal),
        staleness=staleness(journal),
        servers_back=tuple((round(t, 3), round(share, 4)) for t, share in servers_back(journal)),
        probes=probes(journal),
        probe_availability=probe_availability(journal),
        probe_rto_s=probe_rto_s(journal),
    )
