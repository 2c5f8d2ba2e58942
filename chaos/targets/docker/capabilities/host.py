"""Programs of the harness in the users' network, and requests from there to nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from chaos.errors import TargetError
from chaos.experiment.stack import Stack
from chaos.protocols.capabilities import Hosted, Hosting
from chaos.targets import httpget
from chaos.targets.docker import hosted, reach
from chaos.targets.docker.engine import Engine


class Host(Hosting):
    """`engine` is the engine of the users' network."""

    backend = "a container of the harness's own on the stack's network"

    def __init__(self, engine: Engine, stack: Stack) -> None:
        self._engine, self._stack = engine, stack
        self._hosted: set[str] = set()  # containers that this process hosts
        self._making: set[asyncio.Future[hosted.HostedContainer]] = set()  # being made by the engine

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        readable = [self._stack.root, *shown]
        making = asyncio.ensure_future(hosted.begin(self._engine, readable, command, run_dir, log))
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        made = await asyncio.shield(making)  # if this task is cancelled, `heal` and `down` wait for the container
        self._hosted.add(made.id)
        return made

    async def settled(self) -> None:
        """Return when no container is being made."""
        await asyncio.gather(*self._making, return_exceptions=True)

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        """Use the published port if there is one: the node's address is reachable only from the engine's host."""
        service = self._stack.services[node]
        if outside := service.outside(port):
            return await httpget.get("127.0.0.1", outside, path, timeout, node)
        found = (await reach.found(self._engine)).get(node, {})
        if not found:
            raise TargetError(f"{node}: port {port} is not published and the node has no address of its own")
        return await httpget.get(min(found.items())[1], port, path, timeout, node)

    async def heal(self) -> None:
        """Remove loads of a harness that is gone, and those that were never waited for."""
        await self.settled()
        await self._engine.remove(c for c in await self._engine.beside("load") if c.id not in self._hosted)
