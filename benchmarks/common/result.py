"""What a benchmark returns: a table whose every row says of how many samples it is, and quantiles to fill it with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One line of the table. `figures`: column (with its unit) → value; None where nothing was to be measured."""

    of: str  # what was measured
    count: int  # samples that the figures stand on
    figures: Mapping[str, float | None]


class Result(msgspec.Struct, frozen=True):
    rows: Sequence[Row]
    notes: Sequence[str] = ()  # what this very run is to be read with, a sentence each


class Record(msgspec.Struct, frozen=True):
    """benchmarks/results/NAME.json: a result with where, when and how it came about."""

    name: str
    about: str  # the benchmark's docstring
    command: str
    date: str  # UTC
    seconds: float  # the whole benchmark took
    busy: tuple[float, float]  # load average over a minute, before and after
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    result: Result


def quantile(samples: Sequence[float], q: float) -> float:
    """The smallest sample that at least a share `q` of them does not exceed: a value that was measured."""
    assert samples and 0 < q <= 1, (len(samples), q)
    return sorted(samples)[math.ceil(q * len(samples)) - 1]


def median(samples: Sequence[float]) -> float:
    return quantile(samples, 0.5)
