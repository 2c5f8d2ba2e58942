"""A target made of dicts, for tests: it has every capability and remembers what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chaos.model import Node
from chaos.protocols import Cut


class Memory:
    name: ClassVar[str] = "memory"

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = tuple(sorted(nodes))
        self._up: set[str] = set()
        self._paused: set[str] = set()
        self._cuts: list[tuple[str, Cut]] = []
        self._deployed: dict[str, Mapping[str, str]] = {}
        self.executed: list[tuple[str, tuple[str, ...]]] = []  # what operators ran, in order

    def nodes(self) -> Sequence[Node]:
        return self._nodes

    async def up(self) -> None:
        self._up = {n.name for n in self._nodes}

    async def down(self) -> None:
        self._up.clear()
        self._forget()

    async def heal(self) -> None:
        self._forget()
        self._up = {n.name for n in self._nodes}

    def _forget(self) -> None:
        self._paused.clear()
        self._cuts.clear()
        self._deployed.clear()

    async def residue(self) -> Sequence[str]:
        return [
            *(f"{n.name} is not running" for n in self._nodes if n.name not in self._up),
            *(f"{name} is paused" for name in sorted(self._paused)),
            *(f"{', '.join(sorted(cut.a))} is cut off by {by}" for by, cut in self._cuts),
            *(f"{name} runs a configuration of an experiment" for name in sorted(self._deployed)),
        ]

    async def healthy(self, node: Node) -> bool:
        return node.name in self._up and node.name not in self._paused

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]:
        return []

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        self._up -= {n.name for n in nodes}

    async def start(self, nodes: Sequence[Node]) -> None:
        self._up |= {n.name for n in nodes}

    async def running(self, node: Node) -> bool:
        return node.name in self._up

    async def pause(self, nodes: Sequence[Node]) -> None:
        self._paused |= {n.name for n in nodes}

    async def resume(self, nodes: Sequence[Node]) -> None:
        self._paused -= {n.name for n in nodes}

    async def paused(self, node: Node) -> bool:
        return node.name in self._paused

    async def cut(self, by: str, cuts: Sequence[Cut]) -> None:
        self._cuts += [(by, cut) for cut in cuts if (by, cut) not in self._cuts]

    async def join(self, by: str, cuts: Sequence[Cut]) -> None:
        self._cuts = [kept for kept in self._cuts if kept not in [(by, cut) for cut in cuts]]

    async def is_cut(self, cut: Cut) -> bool:
        return any(kept == cut for _, kept in self._cuts)

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        self._deployed[node.name] = dict(environment)

    async def undeploy(self, node: Node) -> None:
        self._deployed.pop(node.name, None)

    async def deployed(self, node: Node) -> Mapping[str, str]:
        return self._deployed.get(node.name, {})

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        self.executed.append((node.name, tuple(command)))
        return 0, ""
