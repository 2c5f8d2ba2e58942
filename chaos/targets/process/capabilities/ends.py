"""Kill, stop and restart: nodes that are ended and started again."""

from __future__ import annotations

import signal as signals
from collections.abc import Sequence
from pathlib import Path

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Killing, Restarting, Starting, Stopping
from chaos.targets.process.nodes import Nodes


class Started(Starting):
    """Starts nodes again."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def start(self, nodes: Sequence[Node]) -> None:
        await self._nodes.start(nodes)

    async def running(self, node: Node) -> bool:
        return await self._nodes.running(node)


class Kill(Started, Killing):
    backend = "the signal to every process of the node; SIGKILL to its first, and the kernel ends the rest"

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        if signal == "KILL":
            await self._nodes.end([n.name for n in nodes])
        else:
            await self._nodes.signal(nodes, _number(signal))

    async def heal(self) -> None:
        await self._nodes.start(self._nodes.known())

    async def residue(self) -> Sequence[str]:
        groups = self._nodes.namespaces.groups()
        return [f"{n.name} is not running" for n in self._nodes.known() if n.name not in groups]


class Stop(Started, Stopping):
    """A stopped node is a node that does not run, so the heal of a kill heals it."""

    backend = "SIGTERM to every process of the node, SIGKILL after the grace"

    async def stop(self, nodes: Sequence[Node], grace: float) -> None:
        await self._nodes.stop(nodes, grace)


class Restart(Started, Restarting):
    backend = "SIGTERM to every process of the node, SIGKILL after the grace, then its command again"

    async def restart(self, nodes: Sequence[Node], grace: float) -> None:
        """Restart nodes. The notes are written first, so that a heal after a crash knows of everything that was
        done.
        """
        for node in nodes:
            root, note = self._nodes.root(node.name), self._before(node)
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(f"{root.pid} {root.started}" if root else "", encoding="utf-8")
        await self._nodes.stop(nodes, grace)
        await self._nodes.start(nodes)

    async def restarted(self, node: Node) -> bool:
        root, note = self._nodes.root(node.name), self._before(node)
        return root is not None and note.exists() and note.read_text(encoding="utf-8") != f"{root.pid} {root.started}"

    async def forget_restart(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._before(node).unlink(missing_ok=True)

    async def heal(self) -> None:
        await self.forget_restart(self._nodes.known())

    async def residue(self) -> Sequence[str]:
        return [f"{n.name} was restarted by an experiment" for n in self._nodes.known() if self._before(n).exists()]

    def _before(self, node: Node) -> Path:
        """The file that says which root a restarted node had before."""
        return self._nodes.folder(node.name) / "restarted"


def _number(name: str) -> signals.Signals:
    try:
        return signals.Signals[f"SIG{name.removeprefix('SIG')}"]
    except KeyError:
        raise TargetError(f"no signal called {name!r}; expected something like KILL, TERM or SEGV") from None
