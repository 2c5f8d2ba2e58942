"""Containers of nodes: started, signalled and ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from chaos.model import Node
from chaos.targets.docker.engine import WAITING
from chaos.targets.docker.engines import Engines, Per
from chaos.targets.docker.notes import Notes
from chaos.targets.docker.policies import Policies
from chaos.waiting import comes_true

STOPPING = "stopping"  # kind of note: the engine was asked to stop the node
ENDS_WITHIN = 10.0  # seconds that a signal may take to end a node


class Lasting(Protocol):
    """Faults that have to be applied to nodes that start while they are in force."""

    async def lay(self, names: Iterable[str]) -> None: ...


class Nodes:
    """Starts and ends containers. Methods raise TargetError."""

    def __init__(self, engines: Engines, policies: Per[Policies], lasting: Sequence[Per[Lasting]]) -> None:
        self.engines, self.policies, self._lasting = engines, policies, lasting
        self._notes = Per(engines, Notes)

    async def start(self, nodes: Sequence[Node]) -> None:
        """Start nodes. Idempotent; does not wait for health."""
        dead = [c for c in await self.engines.those(nodes) if not c.alive]
        for policies, names in self.policies.split(nodes):
            await policies.give_back(names)
        await self.engines.each(dead, lambda api, id_: api.start(id_))
        await self.lay_on(nodes)

    async def lay_on(self, nodes: Sequence[Node]) -> None:
        """Apply lasting faults again to nodes that were just started or recreated."""
        for kind in self._lasting:
            for one, names in kind.split(nodes):
                await one.lay(names)

    async def running(self, node: Node) -> bool:
        found = await self.engines.of(node.name).containers()
        return node.name in found and found[node.name].alive

    async def kill(self, nodes: Sequence[Node], signal: str) -> None:
        """Signal nodes. SIGKILL ends all processes of a node; other signals are sent to all of them, which may handle
        them.
        """
        await self.engines.touch(nodes)
        alive = [c for c in await self.engines.those(nodes) if c.alive]
        if (name := signal.removeprefix("SIG")) != "KILL":
            for policies, names in self.policies.split(nodes):
                await policies.signal([c for c in alive if c.node in names], name)
        else:
            await self.engines.each(alive, lambda api, id_: api.kill(id_, "SIGKILL"), 404, 409, at_once=WAITING)

        async def ended() -> bool:
            return not any(c.alive for c in await self.engines.those(nodes))

        await comes_true(ended, ENDS_WITHIN)

    async def stop(self, nodes: Sequence[Node], grace: float) -> None:
        """Stop nodes. `grace` is rounded up, because the engine counts whole seconds. Images may specify another
        signal.
        """
        await self.engines.touch(nodes)
        alive = [c for c in await self.engines.those(nodes) if c.alive]
        names = [c.node for c in alive]
        for notes, mine in self._notes.split(nodes):
            for name in {*mine} & {*names}:
                await notes.put(STOPPING, name, {})
        await self.engines.each(alive, lambda api, id_: api.stop(id_, timeout=math.ceil(grace)))
        await self._stopped(names)

    async def stopping(self) -> Sequence[str]:
        """Names of the nodes that somebody asked the engine to stop who did not wait for it."""
        return [name for notes in self._notes.all() for name in sorted(await notes.get(STOPPING))]

    async def end_stops(self) -> None:
        """Cancel pending stops: the engine ends a node at the end of its grace, unless it was killed and started again
        in the meantime.
        """
        noted = await self.stopping()
        nodes = [node for node, c in await self.engines.standing() if node.name in noted]
        await self.kill(nodes, "KILL")
        await self.start(nodes)
        await self._stopped(noted)

    async def _stopped(self, names: Iterable[str]) -> None:
        for notes in self._notes.all():
            await notes.drop(STOPPING, names)
