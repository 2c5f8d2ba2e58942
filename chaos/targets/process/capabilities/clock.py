"""Wrong clocks: libfaketime loaded before a node's C library."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Skewing
from chaos.targets import faketime
from chaos.targets.process import container_env
from chaos.targets.process.nodes import SETTINGS, Nodes


class Clock(Skewing):
    backend = "libfaketime by LD_PRELOAD; the node restarts for it"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def unfit(self, node: Node) -> str | None:
        return faketime.MISSING if faketime.find() is None else None

    async def skew(self, nodes: Sequence[Node], seconds: float) -> None:
        if (library := faketime.find()) is None:
            raise TargetError(faketime.MISSING)
        for node in nodes:
            self._file(node).parent.mkdir(parents=True, exist_ok=True)
            self._file(node).write_text(json.dumps(faketime.environment(library, seconds)), encoding="utf-8")
            await self._nodes.again(node)

    async def unskew(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if self._file(node).exists():
                self._file(node).unlink()
                await self._nodes.again(node)

    async def clock(self, node: Node) -> tuple[float, float]:
        """The skew of a node and its uncertainty. It is read by a program beside the node's own, after checking the
        library.
        """
        before = time.time()
        code, said = await self._nodes.exec(node, ["date", "+%s.%N"])
        after = time.time()
        loaded = any("faketime" in container_env.mapped(p.pid) for p in self._nodes.members([node]))
        off = faketime.told(node.name, code, said) - (before + after) / 2 if loaded else 0.0
        return off, (after - before) / 2

    async def heal(self) -> None:
        await self.unskew(self._nodes.known())

    async def residue(self) -> Sequence[str]:
        return [f"{n.name} has the wrong time" for n in self._nodes.known() if self._file(n).exists()]

    def _file(self, node: Node) -> Path:
        """The file with the variables that shift a node's clock."""
        return self._nodes.folder(node.name) / SETTINGS[1]
