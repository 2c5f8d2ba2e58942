"""Roll a configuration out to nodes: each restarts with `environment` on top of its own; heal rolls it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.model import Node
from chaos.protocols import CanDeploy, Fault


@final
@dataclass(frozen=True)
class Deploy(Fault[CanDeploy]):
    environment: Mapping[str, str]
    needs: ClassVar[type] = CanDeploy

    async def inject(self, target: CanDeploy, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await target.deploy(node, self.environment)

    async def confirm(self, target: CanDeploy, nodes: Sequence[Node]) -> bool:
        wanted = dict(self.environment)
        return all([dict(await target.deployed(node)) == wanted for node in nodes])

    async def heal(self, target: CanDeploy, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await target.undeploy(node)
