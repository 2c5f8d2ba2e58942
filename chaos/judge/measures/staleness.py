"""The age of the newest content that users were shown, for journeys that report it."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from chaos.judge.measures.phases import PHASES, studied
from chaos.model import Op
from chaos.record.findings import Ages, Staleness
from chaos.record.journal import Journal, Line


def shown(journal: Journal, journey: str = "") -> list[tuple[Line, Op, str]]:
    """Operations that showed content of known age, with their phase."""
    return [x for x in studied(journal, journey or None) if x[1].age is not None]


def unanswered(journal: Journal, journey: str) -> list[tuple[Line, Op, str]]:
    """Failed operations that would have shown content, so that its age is unknown."""
    showing = {op.op for _, op, _ in shown(journal, journey)}
    return [x for x in studied(journal, journey) if x[1].op in showing and x[1].age is None and not x[1].ok]


def age(op: Op) -> float:
    assert op.age is not None, "shown() leaves the others out"
    return op.age


def staleness(journal: Journal) -> dict[str, Staleness]:
    """For each journey and phase: the median and maximum age in run seconds, and the number of refreshes."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _, op, p in shown(journal):
        found[op.journey][p].append(age(op))
    return {
        journey: Staleness(*(_ages(phases[p]) if phases[p] else None for p in PHASES))
        for journey, phases in sorted(found.items())
    }


def _ages(ages: list[float]) -> Ages:
    return Ages(round(median(ages), 3), round(max(ages), 3), len(ages))
