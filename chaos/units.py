"""Quantities in files: 10h, 250ms, 50%, 64MiB, 60/s. A field's type or name determines its unit."""

from __future__ import annotations

import math
import re
from collections import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from chaos.errors import BadExperiment

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}
BITS = {"bit": 1.0, "kbit": 1e3, "Mbit": 1e6, "Gbit": 1e9}
SHARE = {"%": 0.01}
_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"{_NUMBER}\s*(ms|s|min|h|d)", re.ASCII)
_SHARE = re.compile(rf"{_NUMBER}\s*%", re.ASCII)
_RATE = re.compile(rf"{_NUMBER}\s*/\s*(s|min|h)", re.ASCII)
_QUANTITY = re.compile(r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*([A-Za-z%/]*)", re.ASCII)
_LONGEST = 100 * 365 * 86400.0  # seconds; longer than any run, and no scale turns it into infinity


@dataclass(frozen=True)
class Unit:
    """The meaning of a bare number in a field, and the other notations it accepts, as factors of the field's unit."""

    name: str  # description; empty: a number without a unit
    example: str
    written: Mapping[str, float]
    scaled: bool = False  # a duration is incident time, which the experiment's scale converts to run time

    @property
    def expected(self) -> str:
        return f"{self.name}: a bare number, or one with its unit such as {self.example}" if self.name else "a number"


def _in(written: Mapping[str, float], own: str, per: str = "") -> Mapping[str, float]:
    return {f"{word}{per}": factor / written[own] for word, factor in written.items()}


UNITS: Mapping[str, Unit] = {
    "": Unit("", "3", {}),
    "ms": Unit("milliseconds", "50ms", _in(SECONDS, "ms")),
    "s": Unit("seconds", "10s", SECONDS),
    "incident s": Unit("seconds of the run", "10s", SECONDS, scaled=True),
    "share": Unit("a share", "50%", SHARE),
    # Number of writes; an integer is a count.
    "amount": Unit("a count, or a share of the acknowledged writes", "5%", SHARE),
    "MiB": Unit("MiB", "64MiB", _in(BYTES, "MiB")),
    "MiB/s": Unit("MiB a second", "10MiB/s", _in(BYTES, "MiB", "/s")),
    "kbit/s": Unit("kilobits a second", "200kbit", {**_in(BITS, "kbit"), **_in(BITS, "kbit", "/s")}),
    # Of a metric whose unit only its author knows: Prometheus' base units.
    "base": Unit("a figure in base units (seconds, bytes, ratio)", "250ms, 64MiB or 5%", SECONDS | BYTES | SHARE),
}

# For metrics, by the last word of their name. An author who names a unit other than Prometheus' base units means it.
_OF_METRICS: Mapping[str, Unit] = {
    "seconds": Unit("seconds", "250ms", SECONDS),
    "milliseconds": UNITS["ms"],
    "ms": UNITS["ms"],
    "microseconds": Unit("microseconds", "50ms", {k: v * 1e6 for k, v in SECONDS.items()}),
    "minutes": Unit("minutes", "5min", _in(SECONDS, "min")),
    "hours": Unit("hours", "2h", _in(SECONDS, "h")),
    "bytes": Unit("bytes", "64MiB", BYTES),
    "mebibytes": UNITS["MiB"],
    "megabytes": Unit("megabytes", "64MB", _in(BYTES, "MB")),
    "ratio": UNITS["share"],
    "percent": Unit("percent", "5%", {"%": 1.0}),
    "count": UNITS[""],
    "bucket": UNITS[""],
}
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(\{[^{}]*\})?", re.ASCII)

# Types of fields. A field with its own limits declares them: Annotated[float, Meta(ge=6, extra={"unit": "MiB"})].
Milliseconds = Annotated[float, Meta(gt=0, extra={"unit": "ms"})]
# How long a packet is held. Less than a millisecond could not be told from normal latency, and not be confirmed.
Held = Annotated[float, Meta(ge=1, le=600_000, extra={"unit": "ms"})]
Seconds = Annotated[float, Meta(ge=0, extra={"unit": "incident s"})]
Patience = Annotated[float, Meta(ge=0, le=600, extra={"unit": "s"})]  # in run time, as all time-outs
Share = Annotated[float, Meta(gt=0, le=1, extra={"unit": "share"})]
Ratio = Annotated[float, Meta(ge=0, le=1, extra={"unit": "share"})]
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[int, Meta(ge=0, extra={"unit": "amount"})] | Annotated[float, Meta(ge=0, le=1)]
Figure = Annotated[float, Meta(extra={"unit": "base"})]


_FORMS = {str: "text", bool: "true or false", tuple: "a list of text", abc.Mapping: "a mapping of text to text"}

# Texts that are accepted in fields without bare numbers, or in fields of shares; for chaos.experiment.schema.
Duration = Annotated[str, Meta(title="duration", examples=["250ms", "10s", "1.5h"])]
Rate = Annotated[str, Meta(title="rate", examples=["60/s", "986/h"])]
WrittenShare = Annotated[str | float, Meta(title="share", examples=["50%", 0.5])]


def of(name: str, kind: Any) -> Unit | None:
    """The unit of a field, by its type or else by its name; None if it is not a number."""
    metas = list(_metas(kind))
    for meta in metas:
        if meta.extra and "unit" in meta.extra:
            return UNITS[meta.extra["unit"]]
    if not {int, float} & set(plain_types(kind)):
        return None
    suffix = name.rpartition("_")[2]
    return UNITS[suffix if suffix in ("ms", "s") else ""]


SIGNS = {"ms": " ms", "s": " s", "incident s": " s", "MiB": " MiB", "MiB/s": " MiB/s", "kbit/s": " kbit/s"}


def of_metric(expression: str) -> Unit:
    """The unit of a series by its name; `base` if the name has none, and for longer expressions."""
    found = _SELECTOR.fullmatch(expression.strip())
    stem, counter = (found[1].removesuffix("_total"), found[1].endswith("_total")) if found else ("", False)
    word = stem.removesuffix("_sum").rpartition("_")[2]
    return _OF_METRICS.get(word, UNITS["" if counter else "base"])


def shown(value: object, unit: Unit | None, scale: float = 1.0) -> str:
    """A parameter with its unit, as text. If `scale` is not 1, incident time is added."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if unit is None or isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    name = next(key for key, one in UNITS.items() if one is unit)
    if name == "share" or (name == "amount" and isinstance(value, float)):
        return f"{100 * value:g}%"
    beside = f" ({in_words(value * scale)} of the incident)" if unit.scaled and scale != 1 else ""
    return f"{value:g}{SIGNS.get(name, '')}{beside}"


def _metas(kind: Any) -> list[Meta]:
    """The metadata of a type, and of the members of a union."""
    found = [meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, Meta)]
    return found or [meta for one in get_args(kind) for meta in _metas(one)]


def _outer(kind: Any) -> Any:
    """A type without annotations and type arguments."""
    inner = kind.__origin__ if hasattr(kind, "__metadata__") else kind
    return get_origin(inner) or inner


def plain_types(kind: Any) -> list[Any]:
    """The members of a union or Literal, the element type of a collection, or the type itself."""
    inner = kind.__origin__ if hasattr(kind, "__metadata__") else kind
    members = get_args(inner)
    return [one for member in members for one in plain_types(member)] if members else [inner]


def read(value: object, unit: Unit, scale: float = 1.0) -> object:
    """A number in the field's unit, bare or converted; other values unchanged.

    Raises BadExperiment for a number that is not finite, and for text that is not a quantity of this unit.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise BadExperiment(f"found {value}, expected {unit.expected}")
    if not isinstance(value, str):
        return value
    m = _QUANTITY.fullmatch(value.strip())
    factor = unit.written.get(m[2], None if m[2] else 1.0) if m else None
    if m is None or factor is None or not math.isfinite(float(m[1])):
        raise BadExperiment(f"found {value!r}, expected {unit.expected}")
    if not m[2]:
        return int(m[1]) if m[1].lstrip("+-").isdigit() else float(m[1])
    found = round(float(m[1]) * factor, 12) / (scale if unit.scaled else 1)
    if not math.isfinite(found):
        raise BadExperiment(f"found {value!r}, expected {unit.expected}")
    return found


def bounds(kind: Any) -> str:
    """The limits of a field's number, as text; empty if there are none."""
    found = next(iter(_metas(kind)), Meta())
    if found.ge is not None and found.le is not None:
        return f"{found.ge:g} to {found.le:g}"
    words = {"above": found.gt, "at least": found.ge, "at most": found.le}
    return ", ".join(f"{word} {limit:g}" for word, limit in words.items() if limit is not None)


def form(name: str, kind: Any) -> str:
    """What may be written in a field, as text: its choices, or its unit and limits, or its type."""
    members = plain_types(kind)
    if any(isinstance(member, str) for member in members):
        return ", ".join(map(str, members))  # the choices of a Literal
    described = next((meta.description for meta in _metas(kind) if meta.description), "")
    if described:
        return described
    unit = of(name, kind)
    if unit is None:
        return _FORMS.get(_outer(kind), str(getattr(kind, "__name__", kind)))
    number = "a whole number" if int in members else "a number"
    return ", ".join(filter(None, (unit.name or number, bounds(kind))))


def schema(name: str, kind: Any) -> dict[str, Any]:
    """JSON Schema of a field, for bare values and values with a unit."""
    found: dict[str, Any] = {k: v for k, v in msgspec.json.schema(kind).items() if k != "default"}
    unit = of(name, kind)
    if unit is None or not unit.written:
        return found
    words = "|".join(map(re.escape, sorted(unit.written)))
    pattern = rf"^(\s*[-+]?\d+(\.\d+)?(e[-+]?\d+)?\s*({words})?\s*|\$\{{.+\}})$"  # or the value of a setting
    text = {"type": "string", "pattern": pattern, "examples": unit.example.split(", ")[:1]}
    return {"anyOf": [found, text], "description": ", ".join(filter(None, (unit.name, bounds(kind))))}


def duration(text: str, where: str = "") -> float:
    """Seconds in `text`. Raises BadExperiment, naming `where`."""
    if m := _DURATION.fullmatch(str(text).strip()):
        if (found := float(m[1]) * SECONDS[m[2]]) <= _LONGEST:
            return found
        raise BadExperiment(f"{where}: found {text!r:.80}, expected at most 100 years")
    raise BadExperiment(f"{where}: {text!r} is not a duration; expected something like 250ms, 10s, 5min, 1.5h or 3d")


def share(text: str | float, where: str = "") -> float:
    """A fraction from 0 to 1: `50%` or `0.5`. Raises BadExperiment, naming `where`."""
    found: float | None = None
    if isinstance(text, str) and (m := _SHARE.fullmatch(text.strip())):
        found = float(m[1]) / 100
    elif isinstance(text, int | float) and not isinstance(text, bool):
        found = float(text)
    if found is None or not 0 <= found <= 1:
        raise BadExperiment(f"{where}: {text!r} is not a share; expected something like 50%")
    return found


def rate(text: str, where: str = "") -> float:
    """Events a second in `text`. Raises BadExperiment, naming `where`."""
    if m := _RATE.fullmatch(str(text).strip()):
        return float(m[1]) / SECONDS[m[2]]
    raise BadExperiment(f"{where}: {text!r} is not a rate; expected something like 60/s or 986/h")


def in_words(seconds: float) -> str:
    """`34200` as `9 h 30 min`: at most two units."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def both(seconds: float, scale: float) -> str:
    """The time in run seconds, and in incident time if the run is scaled."""
    return f"{seconds:.2f} s" if scale == 1 else f"{in_words(seconds * scale)} of incident time ({seconds:.2f} s)"
