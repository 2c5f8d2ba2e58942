"""Waiting for a stack: all nodes at once, few checks side by side, and the first that cannot come up ends the wait."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chaos.errors import TargetError
from chaos.model import Node

AT_ONCE = 4  # checks side by side: each is dear, and more would take the processor from what they wait for


@dataclass(frozen=True)
class Standing:
    alive: bool
    words: str  # "exited 1"


class Starting(Protocol):
    """What of a target the wait needs."""

    def nodes(self) -> Sequence[Node]: ...

    async def healthy(self, node: Node) -> bool: ...

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]: ...

    async def standing(self, node: Node) -> Standing: ...

    async def full_log(self, node: Node) -> str:
        """Where people find all of it."""


async def until_healthy(target: Starting, within: float, every: float, progress: Callable[[str], None]) -> None:
    """Look at each node every `every` seconds. Raises TargetError for one that ended or takes longer than `within`."""
    deadline = time.monotonic() + within
    gate = asyncio.Semaphore(AT_ONCE)
    nodes = target.nodes()
    healthy: list[str] = []

    async def wait_for(node: Node) -> None:
        while True:
            async with gate:
                if await target.healthy(node):
                    break
            found = await target.standing(node)
            if not found.alive or time.monotonic() > deadline:
                raise TargetError(await _complaint(target, node, within, found.words))
            await asyncio.sleep(every)
        healthy.append(node.name)
        progress(f"healthy {len(healthy)} of {len(nodes)}")

    await together(wait_for(node) for node in nodes)


async def _complaint(target: Starting, node: Node, within: float, state: str) -> str:
    last = "\n  ".join(await target.logs(node)) or "(nothing)"
    return (
        f"{node.name} did not become healthy within {within:g} s ({state}).{_busy()} "
        f"Last lines:\n  {last}\nFull log: {await target.full_log(node)}"
    )


def _busy() -> str:
    """A word about the machine, where it has far more to do than it can."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f" The machine is busy: a load of {load:.0f} on {cores} cores." if load > 3 * cores else ""


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first to fail ends the others, and it is its error that is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
