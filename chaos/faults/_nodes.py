"""What faults of single nodes have in common: how many of them are as the fault would have them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chaos.model import Node
from chaos.protocols import CanKill, Target


async def alive(target: Target, nodes: Sequence[Node]) -> list[Node]:
    """Those that run; all of them where the target cannot tell.

    What holds for whatever runs in a node may well end it: then it is not to be seen, and bites none the less.
    """
    if not isinstance(target, CanKill):
        return list(nodes)
    runs = await asyncio.gather(*map(target.running, nodes))
    return [node for node, up in zip(nodes, runs, strict=True) if up]


async def count(what: str, look: Callable[[Node], Awaitable[bool]], nodes: Sequence[Node]) -> Mapping[str, float]:
    """{"nodes_WHAT": how many of them are}."""
    return {f"nodes_{what}": sum(await asyncio.gather(*map(look, nodes)))}
