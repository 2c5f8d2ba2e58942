"""Converts values of files to types, and words the errors if they do not fit."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from chaos.errors import BadExperiment

T = TypeVar("T")
_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`")


def convert(value: object, kind: type[T], where: str) -> T:
    """`value` as `kind`. Raises BadExperiment that names the place."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        raise BadExperiment(f"{where}: {words(e)}") from None


def words(error: msgspec.ValidationError) -> str:
    """msgspec's message with the place in the file's notation: `$.load.rate` becomes `load.rate`."""
    text = _PLACE.sub(lambda m: f" (at {m[1]})" if m[1] else "", str(error))
    return text.replace("`", "'").replace("Object missing required field", "missing field")
