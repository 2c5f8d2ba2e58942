"""The types that all modules of measures share, and the band of values that counts as a target's fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chaos.judge.measures.recovery import Outage, every_outage
from chaos.record.evidence import cite
from chaos.record.journal import Journal

TOLERANCE = 0.10  # share of the value, if the dossier gives no tolerance


Return = tuple[float, float | None]  # last failure and return, run seconds; the actual return lies between them


@dataclass(frozen=True)
class Seen:
    """A journal with the outages of its journeys, which are computed once for all targets."""

    journal: Journal

    @cached_property
    def outages(self) -> Mapping[str, Outage | None]:
        return every_outage(self.journal)

    def back(self, journey: str) -> Return:
        """Return the last failure and the return of a journey. Both are the onset if it never failed."""
        o, onset = self.outages[journey], self.journal.plan.onset
        return (onset, onset) if o is None else (o.last_failed, o.back)

    def cite(self, *journeys: str) -> tuple[str, ...]:
        """Return the evidence for the returns of these journeys: the last failed operation, and the return itself."""
        found = [self.outages[j] for j in journeys]
        return cite(ops=[n for o in found if o for n in (o.failed[-1], o.returned) if n])


Target = Mapping[str, Any]  # one target of a dossier
Measured = tuple[Any, bool | None, str, tuple[str, ...]]  # measured, holds, note, evidence
Measure = Callable[[Seen, str, Target], Measured]  # the run, the target's name, the target
Measures = tuple[tuple[str, Measure], ...]  # a pattern for the whole name of a target, and its measure


def band(target: Target, grain: float = 0.0) -> tuple[float, float]:
    """Return the least and the most value that count as the fact.

    The dossier's tolerance is absolute. Without it, a single value gets TOLERANCE. A range gets none, except `grain` if
    the run was calibrated with it: the run could not be set more precisely than that.
    """
    value = target["value"]
    low, high = (value, value) if isinstance(value, int | float) else map(float, value)
    if "tolerance" in target:
        slack = float(target["tolerance"])
    elif low == high:
        slack = TOLERANCE * abs(low)
    else:
        slack = grain if target["use"] == "calibrate" else 0.0
    return low - slack, high + slack
