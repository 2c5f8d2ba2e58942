"""Durations, shares and rates as people write them: 10h, 250ms, 50%, 60/s."""

from __future__ import annotations

import re

from chaos.errors import BadExperiment

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"{_NUMBER}\s*(ms|s|min|h|d)")
_SHARE = re.compile(rf"{_NUMBER}\s*%")
_RATE = re.compile(rf"{_NUMBER}\s*/\s*(s|min|h)")


def duration(text: str, where: str = "") -> float:
    """Seconds in `text`. Raises BadExperiment, naming `where`."""
    if m := _DURATION.fullmatch(str(text).strip()):
        return float(m[1]) * SECONDS[m[2]]
    raise BadExperiment(f"{where}: {text!r} is not a duration; expected something like 250ms, 10s, 5min, 1.5h or 3d")


def share(text: str | float, where: str = "") -> float:
    """A fraction from 0 to 1: `50%` or `0.5`. Raises BadExperiment, naming `where`."""
    found: float | None = None
    if isinstance(text, str) and (m := _SHARE.fullmatch(text.strip())):
        found = float(m[1]) / 100
    elif isinstance(text, int | float):
        found = float(text)
    if found is None or not 0 <= found <= 1:
        raise BadExperiment(f"{where}: {text!r} is not a share; expected something like 50%")
    return found


def rate(text: str, where: str = "") -> float:
    """Events a second in `text`. Raises BadExperiment, naming `where`."""
    if m := _RATE.fullmatch(str(text).strip()):
        return float(m[1]) / SECONDS[m[2]]
    raise BadExperiment(f"{where}: {text!r} is not a rate; expected something like 60/s or 986/h")


def quantity(value: object, scale: float) -> object:
    """A parameter by its form: a duration becomes run seconds, a share a fraction, anything else stays as it is."""
    if isinstance(value, str):
        if m := _DURATION.fullmatch(value.strip()):
            return float(m[1]) * SECONDS[m[2]] / scale
        if m := _SHARE.fullmatch(value.strip()):
            return float(m[1]) / 100
    return value


def in_words(seconds: float) -> str:
    """`34200` as `9 h 30 min`: two units at most, for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
