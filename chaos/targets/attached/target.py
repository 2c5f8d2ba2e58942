"""The attached target: a running project of others. Faults are injected and healed as on a stack of the harness's own;
its containers are never recreated or removed, and only those are started that a fault has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from chaos.errors import TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols import capabilities as able
from chaos.protocols.table import Row
from chaos.targets.attached.project import Project
from chaos.targets.attached.reading import attach, unavailable
from chaos.targets.compose.declared import unreachable
from chaos.targets.docker.containers import Containers
from chaos.targets.rows import healed, left

__all__ = ["Attached", "attach", "unavailable"]

_WHY = "it recreates a node's container, and somebody else started this one"
_DO = "use a stack of your own (--stack FILE)"


class Attached(Containers):
    """A project that others started. What the harness makes beside it, and what it changes, is noted on the engine.

    `log_dir`, `progress` and `within` are those of Containers.
    """

    name: ClassVar[str] = "attached"
    kept_in: ClassVar[str] = "containers that others started"

    def __init__(
        self,
        stack: Stack,
        log_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        within: float = 60.0,
    ) -> None:
        super().__init__(stack, Project(stack.name, stack.replicas), log_dir, progress, within)

    def _remade(self) -> Sequence[Row]:
        return tuple(key.refused(_WHY, _DO) for key in (able.DEPLOY, able.SKEW, able.TELL))

    def _unreachable(self, node: Node) -> str | None:
        return unreachable(self.stack, stackfile.raw(self.stack), node.name) or None

    async def up(self) -> None:
        raise TargetError(f"project {self.stack.name}: others started it, so chaos neither starts nor ends it")

    async def down(self) -> None:
        """End what the harness made beside the project. The project goes on."""
        await self._host.settled()
        await self.heal()
        await self._reach.close()
        await self.network.close()
        await self.engine.remove(await self.engine.beside())

    async def heal(self) -> None:
        await healed((), self.can, (self._clear_away, self.engines.untouch))

    async def residue(self) -> Sequence[str]:
        return [*await left(self.can), *await self._strays()]


def make(stack: Stack, log_dir: Path | None, tell: Callable[[str], None]) -> Target:
    return Attached(stack, log_dir, tell)
