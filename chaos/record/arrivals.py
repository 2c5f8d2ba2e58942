"""Reads arrivals.json for the judge: when operations were due, and for which plan the schedule was made."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaos.record import lines
from chaos.record.lines import Damage

FILE = "arrivals.json"


@dataclass(frozen=True)
class Arrivals:
    times: Sequence[float]  # seconds on the timeline, in order
    seed: int | None  # of the plan it was made for, if the file says so
    rate: float | None
    users: int | None


class _Arrival(msgspec.Struct, array_like=True):
    t: float


class _File(msgspec.Struct):
    arrivals: list[_Arrival]
    seed: int | None = None
    rate: float | None = None
    users: int | None = None


def read(run: Path, damage: list[Damage]) -> Arrivals | None:
    """The schedule; None if the run has no such file (older runs have none), or if it cannot be read."""
    found = lines.document(run / FILE, _File, damage)
    if found is None:
        return None
    return Arrivals(array("d", sorted(a.t for a in found.arrivals)), found.seed, found.rate, found.users)
