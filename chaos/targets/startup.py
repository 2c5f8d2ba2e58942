"""Waits for a stack to become healthy: all nodes, few checks at once. The first node that cannot start ends the
wait.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chaos.errors import TargetError
from chaos.model import Node
from chaos.waiting import comes_true

AT_ONCE = 4  # concurrent checks: each is expensive, and more would take processor time from the nodes


@dataclass(frozen=True)
class Standing:
    alive: bool
    words: str  # "exited 1"
    done: bool = False  # it had something to do once, and has done it


class Starting(Protocol):
    """What the wait needs of a target."""

    def nodes(self) -> Sequence[Node]: ...

    async def healthy(self, node: Node) -> bool: ...

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]: ...

    async def standing(self, node: Node) -> Standing: ...

    async def full_log(self, node: Node) -> str:
        """The path of the node's whole log."""


async def until_healthy(
    target: Starting, within: Callable[[Node], float], every: float, progress: Callable[[str], None]
) -> Sequence[str]:
    """Check each node every `every` seconds. Returns the nodes that have done their work and ended.

    Raises TargetError for one that ended otherwise or takes longer than `within`, in seconds.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    nodes = target.nodes()
    healthy: list[str] = []
    done: list[str] = []

    async def well(node: Node) -> bool:
        async with gate:
            if await target.healthy(node):
                return True
        if (found := await target.standing(node)).done:
            done.append(node.name)
        elif not found.alive:
            raise TargetError(await _complaint(target, node, within(node), found.words))
        return found.done

    async def wait_for(node: Node) -> None:
        if not await comes_true(lambda: well(node), within(node), every):
            raise TargetError(await _complaint(target, node, within(node), (await target.standing(node)).words))
        healthy.append(node.name)
        progress(f"healthy {len(healthy)} of {len(nodes)}")

    await together(wait_for(node) for node in nodes)
    return sorted(done)


async def _complaint(target: Starting, node: Node, within: float, state: str) -> str:
    last = "\n  ".join(await target.logs(node)) or "(nothing)"
    return (
        f"{node.name} did not become healthy within {within:g} s ({state}).{_busy()} "
        f"Last lines:\n  {last}\nFull log: {await target.full_log(node)}"
    )


def _busy() -> str:
    """A note if the machine is heavily overloaded."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f" The machine is busy: a load of {load:.0f} on {cores} cores." if load > 3 * cores else ""


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all concurrently. The first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
