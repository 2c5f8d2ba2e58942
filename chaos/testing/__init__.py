"""Experiments and faults in pytest: the types of the `chaos` fixture, `def test_x(chaos: Chaos) -> None`."""

from __future__ import annotations

import warnings
from typing import Any

from chaos.testing.plugin import Answer, Chaos, InjectedFault, StackNode

__all__ = ["Answer", "Chaos", "InjectedFault", "StackNode"]

_RENAMED = {"Fault": InjectedFault, "Node": StackNode}  # names of earlier releases


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = _RENAMED[name]
    warnings.warn(f"chaos.testing.{name} is now chaos.testing.{found.__name__}", DeprecationWarning, stacklevel=2)
    return found
