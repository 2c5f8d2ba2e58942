"""libfaketime: where it is, and the environment in which a program sees another time."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping

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
    """The library's path, None where there is none."""
    if named := os.environ.get("CHAOS_FAKETIME"):
        return named if os.path.exists(named) else None
    return next((path for place in _PLACES for path in sorted(glob.glob(place))), None)


def environment(library: str, skew: float) -> Mapping[str, str]:
    """What makes programs see a time that is off by `skew` seconds; what they wait for is not."""
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"{skew:+.3f}",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the name that newer versions read
    }
