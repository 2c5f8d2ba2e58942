"""Stop name resolution in a node: look-ups get no answer and time out; heal restores it.

Existing connections, and addresses that programs have cached, keep working. Under compose the node's packets to the
engine's resolver are dropped. In the box the node gets an empty hosts file and a name server that never answers.
`confirm` queries the node's name servers from within its network, with a program of the harness that does not depend on
the node's image; that takes seconds when the fault is in force. A node without a name server that answers cannot get
this fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import HIDE, Hiding


@final
@dataclass(frozen=True)
class Dns(Fault[Hiding]):
    needs = HIDE
    hidden_by_death: ClassVar[bool] = True
    ahead: ClassVar[float] = 3.2

    async def inject(self, on: Hiding, nodes: Sequence[Node]) -> None:
        await on.hide_names(nodes)

    async def confirm(self, on: Hiding, nodes: Sequence[Node]) -> bool:
        return not any(await asyncio.gather(*map(on.resolves, nodes)))

    async def vitals(self, on: Hiding, nodes: Sequence[Node]) -> Mapping[str, float]:
        """Of the first node only: under compose each check is a container."""
        return {"look_ups_answered": float(await on.resolves(nodes[0]))}

    async def heal(self, on: Hiding, nodes: Sequence[Node]) -> None:
        await on.show_names(nodes)
