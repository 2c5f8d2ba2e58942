"""Dice for pure models: a number from what is being decided, the same for the same words on any machine."""

from __future__ import annotations

from hashlib import blake2b


def draw(*words: object) -> float:
    """A number in [0, 1) that looks random and is a function of `words` alone: seed first, then what it is for."""
    digest = blake2b(":".join(map(str, words)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / (1 << 53)
