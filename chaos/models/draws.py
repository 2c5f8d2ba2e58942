"""Seeded draws without a generator: each is a hash of the seed and of what is drawn, so none depends on another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def unit(*what: object) -> float:
    """A number in [0, 1) that is the same for the same seed and names, on every machine."""
    digest = hashlib.blake2b("\0".join(map(str, what)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def shuffled(names: Iterable[str], *what: object) -> list[str]:
    """`names` in a seeded order. Somebody more leaves the others' order among themselves as it is."""
    return sorted(names, key=lambda name: (unit(*what, name), name))
