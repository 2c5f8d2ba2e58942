"""What faults of single nodes have in common: how many nodes are in the faulty state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chaos.model import Node


async def count(what: str, look: Callable[[Node], Awaitable[bool]], nodes: Sequence[Node]) -> Mapping[str, float]:
    """{"nodes_WHAT": the number of nodes for which `look` is true}."""
    return {f"nodes_{what}": sum(await asyncio.gather(*map(look, nodes)))}
