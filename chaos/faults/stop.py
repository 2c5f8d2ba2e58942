"""Stop a node in good order: it is asked to end (SIGTERM) and killed when it takes too long; heal starts it again.

`grace` is how long it may take, in seconds. What ends in good order finishes its answers and says goodbye to its
peers: whoever only ever sees kills does not know whether its shutdown works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanStop, Fault


@final
@dataclass(frozen=True)
class Stop(Fault[CanStop]):
    grace: float = 10.0
    needs: ClassVar[type] = CanStop

    async def inject(self, target: CanStop, nodes: Sequence[Node]) -> None:
        await target.stop(nodes, self.grace)

    async def confirm(self, target: CanStop, nodes: Sequence[Node]) -> bool:
        return not any(await asyncio.gather(*map(target.running, nodes)))

    async def vitals(self, target: CanStop, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("running", target.running, nodes)

    async def heal(self, target: CanStop, nodes: Sequence[Node]) -> None:
        await target.start(nodes)
