"""Reads the harness's JSON files: whatever is wrong with one, the result is one error that names it.

msgspec leaves two kinds of errors to Python: invalid UTF-8, and values that are nested too deeply.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from chaos.errors import ChaosError

T = TypeVar("T")


class Unreadable(ChaosError):
    """Not JSON, or JSON of another form."""


def read(path: Path, kind: type[T]) -> T:
    """The file as `kind`. Raises Unreadable, and OSError where there is no such file."""
    return decode(contents(path), kind, str(path))


def contents(path: Path) -> bytes:
    """The content of a regular file: a pipe would block, and a device has no end. Raises Unreadable, OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unreadable(f"{path}: found no regular file, expected one to read")
        return file.read()


def decode(data: bytes, kind: type[T], where: str) -> T:
    """`data` as `kind`. Raises Unreadable, naming `where`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as e:
        raise Unreadable(f"{where}: {_one_line(e)}") from None


def convert(found: object, kind: type[T], where: str) -> T:
    """`found`, read from `where`, as `kind`. Raises Unreadable."""
    try:
        return msgspec.convert(found, kind)
    except (msgspec.MsgspecError, ValueError) as e:
        raise Unreadable(f"{where}: {_one_line(e)}") from None


def mapping(path: Path) -> dict[str, Any]:
    """The file's object; {} if it does not exist or is invalid, for example after a run that was cut off."""
    try:
        return read(path, dict[str, Any])
    except (OSError, Unreadable):
        return {}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).replace("`", "'").split())
