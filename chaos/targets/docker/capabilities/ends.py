"""Kill, stop and restart: containers that are ended and started again."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.model import Node
from chaos.protocols.capabilities import Killing, Restarting, Starting, Stopping
from chaos.targets.docker.engines import Per
from chaos.targets.docker.nodes import Nodes
from chaos.targets.docker.notes import Notes

RESTART = "restart"  # kind of note: the processes of a node before its restart


class Started(Starting):
    """Starts nodes again."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def start(self, nodes: Sequence[Node]) -> None:
        await self._nodes.start(nodes)

    async def running(self, node: Node) -> bool:
        return await self._nodes.running(node)


class Kill(Started, Killing):
    backend = "SIGKILL through the engine (docker kill); other signals by a helper, to all of the processes"

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        await self._nodes.kill(nodes, signal)

    async def heal(self) -> None:
        await self._nodes.start([n for n, c in await self._nodes.engines.standing() if not c.alive])
        for policies in self._nodes.policies.all():
            await policies.give_back(await policies.switched_off())

    async def residue(self) -> Sequence[str]:
        dead = [n.name for n, c in await self._nodes.engines.standing() if not c.alive]
        off = [name for policies in self._nodes.policies.all() for name in await policies.switched_off()]
        return [
            *(f"{name} is not running" for name in dead),
            *(f"{name} does not start again by itself" for name in off),
        ]


class Stop(Started, Stopping):
    """A stopped node is a node that does not run, so the heal of a kill heals it. This one cancels pending stops."""

    backend = "docker stop: SIGTERM through the engine, SIGKILL after the grace"

    async def stop(self, nodes: Sequence[Node], grace: float) -> None:
        await self._nodes.stop(nodes, grace)

    async def heal(self) -> None:
        await self._nodes.end_stops()

    async def residue(self) -> Sequence[str]:
        return [f"{name} is being stopped" for name in await self._nodes.stopping()]


class Restart(Started, Restarting):
    backend = "docker stop and start through the engine"

    def __init__(self, nodes: Nodes, notes: Per[Notes]) -> None:
        super().__init__(nodes)
        self._notes = notes

    async def restart(self, nodes: Sequence[Node], grace: float) -> None:
        for node in nodes:
            await self._notes.of(node.name).replace(RESTART, node.name, {"before": await self._identity(node)})
        await self._nodes.stop(nodes, grace)
        await self._nodes.start(nodes)

    async def restarted(self, node: Node) -> bool:
        note = (await self._notes.of(node.name).get(RESTART)).get(node.name)
        return note is not None and await self.running(node) and note["before"] != await self._identity(node)

    async def forget_restart(self, nodes: Sequence[Node]) -> None:
        for notes, names in self._notes.split(nodes):
            await notes.drop(RESTART, names)

    async def heal(self) -> None:
        for notes in self._notes.all():
            await notes.drop(RESTART, await notes.get(RESTART))

    async def residue(self) -> Sequence[str]:
        noted = [name for notes in self._notes.all() for name in sorted(await notes.get(RESTART))]
        return [f"{name} was restarted by an experiment" for name in noted]

    async def _identity(self, node: Node) -> str:
        """An identifier of the node's processes, which changes with each start."""
        id_ = (await self._nodes.engines.find(node)).id
        engine = self._nodes.engines.of(node.name)
        started = await engine.ask(lambda api: api.inspect_container(id_)["State"]["StartedAt"])
        return f"{id_} {started}"
