"""One sort of input: how to make one, and what is done with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Kind:
    """`check` raises for an input that breaks a rule; `examples` is how many the quick test tries."""

    name: str
    inputs: SearchStrategy[bytes]
    check: Callable[[bytes], object]
    examples: int = 60
