"""Stop a node in good order and start it again at once, as a roll-out or an impatient operator would.

`grace` is how long it may take to end, in seconds, before it is killed. The fault is the restart alone: heal has
nothing to give back, it starts the node if it died since and forgets that it was restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanRestart, Fault


@final
@dataclass(frozen=True)
class Restart(Fault[CanRestart]):
    grace: float = 10.0
    needs: ClassVar[type] = CanRestart
    momentary: ClassVar[bool] = True  # over once it has happened: what the node does then is its own

    async def inject(self, target: CanRestart, nodes: Sequence[Node]) -> None:
        await target.restart(nodes, self.grace)

    async def confirm(self, target: CanRestart, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(target.restarted, nodes)))

    async def vitals(self, target: CanRestart, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("restarted", target.restarted, nodes)

    async def heal(self, target: CanRestart, nodes: Sequence[Node]) -> None:
        await target.start(nodes)
        await target.forget_restart(nodes)
