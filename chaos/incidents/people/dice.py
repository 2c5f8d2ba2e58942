"""Pseudo-random numbers for pure models: each is a hash of the seed and its purpose, the same on every machine."""

from __future__ import annotations

from hashlib import blake2b


def draw(*words: object) -> float:
    """Return a pseudo-random number in [0, 1) that depends on `words` only: the seed, then the purpose."""
    digest = blake2b(":".join(map(str, words)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / (1 << 53)
