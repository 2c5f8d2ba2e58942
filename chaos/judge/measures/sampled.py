"""The range of the values that each probe recorded."""

from __future__ import annotations

from chaos.judge.measures.answers import tolerant
from chaos.judge.measures.phases import PHASES
from chaos.judge.measures.samples import numbers
from chaos.record.findings import Range, Sampled
from chaos.record.journal import Journal


def probes(journal: Journal) -> dict[str, Sampled]:
    """For each probe and phase: the lowest and highest value, and the number of values."""
    seen: dict[str, dict[str, list[float]]] = {}
    asked = {p.name for p in tolerant(journal)}  # of these, other numbers than the value are no figures of one kind
    for _, e in journal.of("probe.sample"):
        found = numbers(e.data)
        values = [found["value"]] if e.subject in asked and "value" in found else list(found.values())
        if e.subject not in asked or "value" in found:
            seen.setdefault(e.subject, {}).setdefault(journal.phase(e.t), []).extend(values)
    return {
        name: Sampled(*(Range(min(v), max(v), len(v)) if (v := phases.get(p)) else None for p in PHASES))
        for name, phases in sorted(seen.items())
    }
