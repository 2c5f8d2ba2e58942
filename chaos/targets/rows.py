"""What the tables of all targets have in common: capabilities composed of others, and the loops over a table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Cutting, Deploying, Executing, Killing, Powering
from chaos.protocols.links import Link
from chaos.protocols.table import Capability, Table

Step = Callable[[], Awaitable[None]]
DARK = "power"  # requester of the cuts for nodes without power


@dataclass(frozen=True)
class Power(Powering):
    """Cut the network first, then kill. Its parts are rows of the table, which heal it."""

    network: Cutting
    processes: Killing
    backend: str = ""

    def unfit(self, node: Node) -> str | None:
        return self.network.unfit(node) or self.processes.unfit(node)

    async def off(self, nodes: Sequence[Node]) -> None:
        await self.network.cut(DARK, [_alone(node) for node in nodes])
        await self.processes.kill(nodes)

    async def on(self, nodes: Sequence[Node]) -> None:
        await self.network.join(DARK, [_alone(node) for node in nodes])
        await self.processes.start(nodes)

    async def dark(self, node: Node) -> bool:
        return await self.network.is_cut(_alone(node))

    async def start(self, nodes: Sequence[Node]) -> None:
        await self.processes.start(nodes)

    async def running(self, node: Node) -> bool:
        return await self.processes.running(node)


def _alone(node: Node) -> Link:
    """A separate cut for each node, so that each can come back separately."""
    return Link(frozenset({node.name}))


@dataclass(frozen=True)
class Tell(Capability):
    """Its parts are rows of the table, which heal it."""

    configuration: Deploying
    commands: Executing
    backend: str = ""

    def unfit(self, node: Node) -> str | None:
        return self.configuration.unfit(node) or self.commands.unfit(node)


async def healed(before: Sequence[Step], table: Table, after: Sequence[Step] = ()) -> None:
    """Run the target's own steps `before`, then the heals of its table in order, then the steps `after`.

    If one of them fails, the rest is still done; then the first failure is raised.
    """
    failed: list[TargetError] = []
    for step in (*before, *(one.heal for one in table), *after):
        try:
            await step()
        except TargetError as e:
            failed.append(e)
    if failed:
        raise failed[0]


async def left(table: Table) -> Sequence[str]:
    """What is left of all rows of the table, in its order."""
    return [words for one in table for words in await one.residue()]
