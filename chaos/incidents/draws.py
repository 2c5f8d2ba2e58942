"""Seeded draws without a generator: each is a hash of the seed and its purpose, so no draw depends on another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def unit(*what: object) -> float:
    """Return a number in [0, 1), which is the same for the same arguments on every machine."""
    digest = hashlib.blake2b("\0".join(map(str, what)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def shuffled(names: Iterable[str], *what: object) -> list[str]:
    """Return `names` in a seeded order. An additional name does not change the relative order of the others."""
    return sorted(names, key=lambda name: (unit(*what, name), name))
