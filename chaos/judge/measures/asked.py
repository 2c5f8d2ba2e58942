"""Availability and RTO by probes with a tolerance, as journeys have them."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.judge.measures.answers import Answer, answers, tolerant
from chaos.judge.measures.phases import PHASES
from chaos.judge.measures.recovery import rto_s
from chaos.record.findings import Asked
from chaos.record.journal import Journal


def probe_availability(journal: Journal) -> dict[str, Asked]:
    """For each probe with a tolerance, the share of good answers before, during and after the faults."""
    found = {}
    for spec in tolerant(journal):
        a = answers(journal, spec)
        before, during, after = (_share(a.of(phase)) for phase in PHASES)
        bad = sum(not one.ok for one in a.since)
        found[spec.name] = Asked(before, during, after, len(a.all), bad, a.unseen("all"))
    return found


def probe_rto_s(journal: Journal) -> dict[str, float | None]:
    """For each probe that was answered since the first fault, the seconds from the first bad answer to the return."""
    each = {spec.name: answers(journal, spec) for spec in tolerant(journal)}
    found = {name: rto_s(a.outage) for name, a in each.items() if a.since}
    return {name: None if r is None else round(r, 3) for name, r in found.items()}


def _share(found: Sequence[Answer]) -> float | None:
    return round(sum(a.ok for a in found) / len(found), 6) if found else None
