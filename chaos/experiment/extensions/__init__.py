"""Finds extensions of experiments, which packages add by entry points (chaos.extensions)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaos import registry
from chaos.protocols.extension import Extension as KIND

if TYPE_CHECKING:
    from chaos.experiment.stack import Stack

__all__ = ["KIND", "blocks", "every", "found"]


def every() -> Mapping[str, type[KIND]]:
    """All extensions by name. Raises BadExperiment for an installed one that is broken."""
    return {name: registry.load(__name__, name) for name in registry.names(__name__)}


def blocks() -> Mapping[str, Any]:
    """The types of their blocks in an experiment's file, by name."""
    return {name: one.block for name, one in every().items() if one.block is not None}


def found(given: Mapping[str, Any], stack: Stack) -> Mapping[str, Any]:
    """What each extension reads from the project's files; `given` are the file's blocks. Raises BadExperiment."""
    return {name: one.read(given.get(name), stack) for name, one in every().items()}
