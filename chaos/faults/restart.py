"""Stop a node gracefully and start it again at once, as a roll-out does.

`grace` is how long it may take to end, in seconds, before it is killed. The fault is the restart only: heal starts the
node if it has ended since, and forgets that it was restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import RESTART, Restarting
from chaos.units import Patience


@final
@dataclass(frozen=True)
class Restart(Fault[Restarting]):
    grace: Patience = 10.0
    needs = RESTART
    momentary: ClassVar[bool] = True  # over once it has happened: what the node does after that is not checked

    async def inject(self, on: Restarting, nodes: Sequence[Node]) -> None:
        await on.restart(nodes, self.grace)

    async def confirm(self, on: Restarting, nodes: Sequence[Node]) -> bool:
        return all(await asyncio.gather(*map(on.restarted, nodes)))

    async def vitals(self, on: Restarting, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("restarted", on.restarted, nodes)

    async def heal(self, on: Restarting, nodes: Sequence[Node]) -> None:
        await on.start(nodes)
        await on.forget_restart(nodes)
