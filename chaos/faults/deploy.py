"""Roll a configuration out to nodes: each restarts with `environment` on top of its own; heal rolls it back.

One node after the other: the next has its turn when this one is well again, or has not been for READY seconds. A
release that makes nodes unwell is no less a release.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults._rollout import lay_on, lies_on, take_off
from chaos.model import Node
from chaos.protocols import CanDeploy, Fault

READY = 6.0  # seconds a node is waited for
LOOK = 0.1  # seconds between two looks


@final
@dataclass(frozen=True)
class Deploy(Fault[CanDeploy]):
    environment: Mapping[str, str]
    needs: ClassVar[type] = CanDeploy

    async def inject(self, target: CanDeploy, nodes: Sequence[Node]) -> None:
        for n, node in enumerate(nodes, 1):
            await lay_on(target, node, self.environment)
            if n < len(nodes):
                await _well(target, node)

    async def confirm(self, target: CanDeploy, nodes: Sequence[Node]) -> bool:
        return all([await lies_on(target, node, self.environment) for node in nodes])

    async def vitals(self, target: CanDeploy, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = [await target.deployed(node) for node in nodes]
        return {"nodes_with_the_change": sum(bool(environment) for environment in found)}

    async def heal(self, target: CanDeploy, nodes: Sequence[Node]) -> None:
        for n, node in enumerate(nodes, 1):
            await take_off(target, node, self.environment)
            if n < len(nodes):
                await _well(target, node)


async def _well(target: CanDeploy, node: Node) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + READY
    while clock() < until and not await target.healthy(node):
        await asyncio.sleep(LOOK)
