"""Measures that are one figure each, or one figure per key: one measure a file, found by name as checkers are."""

from chaos.protocols import Measure as KIND

__all__ = ["KIND"]
