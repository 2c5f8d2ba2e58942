"""Collects the problems of one experiment's file, each with its place, for a single error at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from chaos import naming
from chaos.errors import BadExperiment


class Problems:
    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[str] = []

    def add(self, place: str, text: str) -> None:
        self.found.append(f"{self.file}: {place}: {text}")

    def read(self, parse: Callable[[Any, str], float], value: Any, place: str) -> float:
        """Return `value` as parsed by `parse`. Adds a problem and returns 0 if it cannot be parsed."""
        try:
            return float(parse(value, f"{self.file}: {place}"))
        except BadExperiment as e:
            self.found.extend(e.problems)
            return 0.0

    @contextlib.contextmanager
    def noted(self, place: str = "") -> Iterator[None]:
        """Catch a BadExperiment of the block and add its problems. `place` is empty if they name their own places."""
        try:
            yield
        except BadExperiment as e:
            self.found += [": ".join(filter(None, (self.file, place, p))) for p in e.problems]

    def named(self, name: Any, place: str) -> None:
        """Add a problem if `name` is given and is not a valid name for the journal, its readers and files."""
        if name is not None and not naming.fits(name):
            self.add(place, f"found {name!r}, expected a name: {naming.EXPECTED}")
