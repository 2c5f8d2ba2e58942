"""libfaketime: its path, and the environment in which a program sees another time."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping

from chaos.errors import CannotLook

MISSING = (
    "libfaketime is not on this machine; install it (Debian: apt-get install libfaketime; or pip install libfaketime), "
    "or name the library with CHAOS_FAKETIME=PATH"
)
_PLACES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib*/faketime/libfaketimeMT.so.1",
    f"{sys.prefix}/lib/python*/site-packages/libfaketime/vendor/libfaketime/src/libfaketime.so.1",
)


def find() -> str | None:
    """The library's path, None if there is none."""
    if named := os.environ.get("CHAOS_FAKETIME"):
        return named if os.path.exists(named) else None
    return next((path for place in _PLACES for path in sorted(glob.glob(place))), None)


def environment(library: str, skew: float) -> Mapping[str, str]:
    """Variables that shift the time of programs by `skew` seconds, but not their time-outs."""
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"{skew:+.3f}",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the name in newer versions
    }


def told(node: str, code: int, said: str) -> float:
    """The time that `date +%s.%N` printed in a node. Raises CannotLook if it printed none."""
    try:
        if code == 0:
            return float(said)
    except ValueError:  # for example a date command without %N
        pass
    raise CannotLook(f"{node}: its time could not be read: {said.strip()[-200:] or f'exit code {code}'}")
