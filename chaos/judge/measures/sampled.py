"""The range of the values that each probe recorded."""

from __future__ import annotations

from chaos.judge.measures.phases import PHASES
from chaos.judge.measures.samples import numbers
from chaos.record.findings import Range, Sampled
from chaos.record.journal import Journal


def probes(journal: Journal) -> dict[str, Sampled]:
    """For each probe and phase: the lowest and highest value, and the number of values."""
    seen: dict[str, dict[str, list[float]]] = {}
    for _, e in journal.of("probe.sample"):
        seen.setdefault(e.subject, {}).setdefault(journal.phase(e.t), []).extend(numbers(e.data).values())
    return {
        name: Sampled(*(Range(min(v), max(v), len(v)) if (v := phases.get(p)) else None for p in PHASES))
        for name, phases in sorted(seen.items())
    }
