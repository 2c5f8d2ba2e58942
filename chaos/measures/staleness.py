"""How old the newest content was that users were shown, where a journey says so."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Any

from chaos.journal import Journal, Line
from chaos.measures.phases import PHASES, studied
from chaos.model import Op


def shown(journal: Journal, journey: str = "") -> list[tuple[Line, Op, str]]:
    """Operations, with their phase, that showed content of a known age."""
    return [x for x in studied(journal, journey or None) if x[1].age is not None]


def age(op: Op) -> float:
    assert op.age is not None, "shown() leaves the others out"
    return op.age


def staleness(journal: Journal) -> dict[str, Any]:
    """Per journey and phase the median and the greatest age in run seconds, and how many refreshes are behind it."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _, op, p in shown(journal):
        found[op.journey][p].append(age(op))
    return {
        journey: {
            p: {"median_s": round(median(ages), 3), "most_s": round(max(ages), 3), "n": len(ages)}
            for p in PHASES
            if (ages := phases[p])
        }
        for journey, phases in sorted(found.items())
    }
