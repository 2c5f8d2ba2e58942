"""End every process of a node with a signal, as `kill -9` or the kernel's OOM killer would; heal starts it again.

`signal` is one that ends a process which does not catch it. One that catches it and lives on was not killed, and
the fault is said not to have bitten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import CanKill, Fault

Signal = Literal[
    "KILL", "TERM", "INT", "HUP", "QUIT", "ABRT", "SEGV", "BUS", "FPE", "ILL", "SYS", "TRAP",
    "ALRM", "PIPE", "USR1", "USR2", "XCPU", "XFSZ",
]  # fmt: skip


@final
@dataclass(frozen=True)
class Kill(Fault[CanKill]):
    signal: Signal = "KILL"
    needs: ClassVar[type] = CanKill

    async def inject(self, target: CanKill, nodes: Sequence[Node]) -> None:
        await target.kill(nodes, self.signal)

    async def confirm(self, target: CanKill, nodes: Sequence[Node]) -> bool:
        return not any(await asyncio.gather(*map(target.running, nodes)))

    async def vitals(self, target: CanKill, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("running", target.running, nodes)

    async def heal(self, target: CanKill, nodes: Sequence[Node]) -> None:
        await target.start(nodes)
