"""Stop a node gracefully: it gets SIGTERM and is killed if it takes too long; heal starts it again.

`grace` is how long it may take, in seconds. A process that ends gracefully finishes its responses and tells its peers.
Only this fault tests that shutdown; kills do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import STOP, Stopping
from chaos.units import Patience


@final
@dataclass(frozen=True)
class Stop(Fault[Stopping]):
    grace: Patience = 10.0
    needs = STOP

    async def inject(self, on: Stopping, nodes: Sequence[Node]) -> None:
        await on.stop(nodes, self.grace)

    async def confirm(self, on: Stopping, nodes: Sequence[Node]) -> bool:
        return not any(await asyncio.gather(*map(on.running, nodes)))

    async def vitals(self, on: Stopping, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("running", on.running, nodes)

    async def heal(self, on: Stopping, nodes: Sequence[Node]) -> None:
        await on.start(nodes)
