"""Seconds from each fault's injection until its effect was confirmed on all of its nodes; null if it never was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.protocols import Measure
from chaos.record.journal import Journal


@final
@dataclass(frozen=True)
class Effect(Measure):
    title: ClassVar = "fault took effect after"
    unit: ClassVar = "s"

    def measure(self, journal: Journal) -> Mapping[str, float | None]:
        began: dict[str, float] = {}
        seen: dict[str, tuple[float, set[str]]] = {}
        for e in journal.events:
            if e.kind == "fault.inject":
                began.setdefault(e.subject, e.t)
            elif e.kind == "fault.active":
                _, nodes = seen.get(e.subject, (e.t, set[str]()))
                seen[e.subject] = (e.t, nodes | set(e.data.get("nodes", ())))
        found: dict[str, float | None] = {}
        for step in journal.plan.steps:
            if step.id in began:
                at, nodes = seen.get(step.id, (0.0, set[str]()))
                found[step.id] = at - began[step.id] if nodes >= set(step.nodes) else None
        return found
