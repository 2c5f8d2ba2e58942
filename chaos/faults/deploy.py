"""Roll out a configuration: each node restarts with `environment` added to its own; heal rolls it back.

Nodes are restarted one after another: the next one when this one is healthy again, or when READY seconds have passed. A
configuration that makes nodes unhealthy is still rolled out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, final

from msgspec import Meta

from chaos.errors import BadExperiment
from chaos.faults._rollout import lay_on, lies_on, take_off
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import DEPLOY, Deploying
from chaos.waiting import comes_true

READY = 6.0  # seconds to wait for each node
LOOK = 0.1  # seconds between two checks


@final
@dataclass(frozen=True)
class Deploy(Fault[Deploying]):
    environment: Annotated[Mapping[str, str], Meta(min_length=1)]
    needs = DEPLOY

    def __post_init__(self) -> None:
        if odd := [k for k, v in self.environment.items() if not k or "=" in k or "\0" in k + v]:
            raise BadExperiment(f"deploy.environment: {odd[0]!r} is not a valid variable; expected NAME: value")

    async def inject(self, on: Deploying, nodes: Sequence[Node]) -> None:
        for n, node in enumerate(nodes, 1):
            await lay_on(on, node, self.environment)
            if n < len(nodes):
                await _well(on, node)

    async def confirm(self, on: Deploying, nodes: Sequence[Node]) -> bool:
        """Whether the nodes have the configuration, even if they ended because of it."""
        asked = all([await lies_on(on, node, self.environment) for node in nodes])
        return asked and all([await self._runs_on(on, node, where_dead=True) for node in nodes])

    async def already(self, on: Deploying, nodes: Sequence[Node]) -> bool:
        """Whether the nodes already run with this configuration, whatever set it: deploying it would change nothing."""
        return any([await self._runs_on(on, node, where_dead=False) for node in nodes])

    async def _runs_on(self, on: Deploying, node: Node, where_dead: bool) -> bool:
        environment = await on.environment(node)
        return where_dead if environment is None else self.environment.items() <= environment.items()

    async def vitals(self, on: Deploying, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = [await on.deployed(node) for node in nodes]
        return {"nodes_with_the_change": sum(bool(environment) for environment in found)}

    async def heal(self, on: Deploying, nodes: Sequence[Node]) -> None:
        for n, node in enumerate(nodes, 1):
            await take_off(on, node, self.environment)
            if n < len(nodes):
                await _well(on, node)


async def _well(on: Deploying, node: Node) -> None:
    await comes_true(lambda: on.healthy(node), READY, LOOK)
