"""End every process of a node with a signal, as `kill -9` or the kernel's OOM killer would; heal starts it again.

`signal` has to end a process that does not catch it. A process that catches it and survives was not killed, and the
fault is then not confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from chaos.faults import _nodes
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import KILL, Killing

Signal = Literal[
    "KILL", "TERM", "INT", "HUP", "QUIT", "ABRT", "SEGV", "BUS", "FPE", "ILL", "SYS", "TRAP",
    "ALRM", "PIPE", "USR1", "USR2", "XCPU", "XFSZ",
]  # fmt: skip


@final
@dataclass(frozen=True)
class Kill(Fault[Killing]):
    signal: Signal = "KILL"
    needs = KILL

    async def inject(self, on: Killing, nodes: Sequence[Node]) -> None:
        await on.kill(nodes, self.signal)

    async def confirm(self, on: Killing, nodes: Sequence[Node]) -> bool:
        return not any(await asyncio.gather(*map(on.running, nodes)))

    async def vitals(self, on: Killing, nodes: Sequence[Node]) -> Mapping[str, float]:
        return await _nodes.count("running", on.running, nodes)

    async def heal(self, on: Killing, nodes: Sequence[Node]) -> None:
        await on.start(nodes)
