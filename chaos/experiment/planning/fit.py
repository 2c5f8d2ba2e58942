"""Checks whether the target has the capability that a line needs, in general and for each node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols.capabilities import SHAPE
from chaos.protocols.table import Key, Refusal


def backend(target: Target, needs: Key[Any]) -> str:
    """Return how the target implements the capability; empty if it does not."""
    found = target.can.get(needs)
    return "" if isinstance(found, Refusal) else str(found.backend)


def problems(target: Target, what: str, needs: Key[Any], nodes: Sequence[Node]) -> Iterator[str]:
    """Yield the target's reasons why `what` is not possible on `nodes`; nothing if it is."""
    found = target.can.get(needs)
    if isinstance(found, Refusal):
        yield f"{what} on target {target.name}: {found.words}"
        return
    for node in nodes:
        if why := found.unfit(node):
            yield f"{what} on {node.name}: {why}"


def no_distance(target: Target, nodes: Sequence[Node]) -> str:
    """Return why the target cannot add the stack's latency between zones; empty if it can.

    If one node does not support it, no node gets it: latency on some of the links would make it a different stack.
    """
    found = target.can.get(SHAPE)
    if isinstance(found, Refusal):
        return found.words
    unfit = ((node.name, found.unfit(node)) for node in nodes)
    return next((f"{name}: {why}" for name, why in unfit if why), "")
