"""What every family of an incident's measures is made of: a row, what counts as its fact, and who measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.recovery import Outage, every_outage

TOLERANCE = 0.10  # of a value, where the dossier gives none


class Row(msgspec.Struct, frozen=True):
    """One fact beside its measurement.

    `use` is calibrate (reproduced, never judged), predict or control. `holds` is None where it is not judged by a
    figure; `note` then says why. `measured` None with `holds` False says that it never happened.
    """

    name: str
    use: str
    fact: Any
    measured: Any = None
    holds: bool | None = None
    note: str = ""
    shown: bool = True  # False: this form of the experiment cannot show it
    evidence: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        return self.shown and self.use in ("predict", "control")


Return = tuple[float, float | None]  # last failure and return, seconds; the true return lies between them


@dataclass(frozen=True)
class Seen:
    """A journal with the outages of its journeys, found once for all targets."""

    journal: Journal

    @cached_property
    def outages(self) -> Mapping[str, Outage | None]:
        return every_outage(self.journal)

    def back(self, journey: str) -> Return:
        """One that never failed was back at the onset."""
        o, onset = self.outages[journey], self.journal.plan.onset
        return (onset, onset) if o is None else (o.last_failed, o.back)

    def cite(self, *journeys: str) -> tuple[str, ...]:
        """The operations that the returns of these journeys rest on: the last that failed, the first that did not."""
        found = [self.outages[j] for j in journeys]
        return cite(ops=[n for o in found if o for n in (o.failed[-1], o.returned) if n])


Target = Mapping[str, Any]  # one target of a dossier
Measured = tuple[Any, bool | None, str, tuple[str, ...]]  # measured, holds, note, evidence
Measure = Callable[[Seen, str, Target], Measured]  # the run, the target's name, the target
Measures = tuple[tuple[str, Measure], ...]  # a pattern that the whole name of a target matches, and what measures it


def band(target: Target, grain: float = 0.0) -> tuple[float, float]:
    """What counts as the fact: a range as it is, a single value with its tolerance (absolute where the dossier says).

    A range that the run was set by can be met no finer than `grain`, to which it could be set.
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
