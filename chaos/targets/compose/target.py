"""The compose target: the stack as containers. The compose command starts them, the Docker SDK injects and heals
faults.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, ClassVar

from chaos.errors import TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols import capabilities as able
from chaos.protocols.table import Row
from chaos.targets import platforms
from chaos.targets.compose import command, owner
from chaos.targets.compose import project as projects
from chaos.targets.compose.command import Command
from chaos.targets.compose.declared import declared, unreachable
from chaos.targets.compose.reading import resolve
from chaos.targets.compose.strangers import Strangers
from chaos.targets.compose.twins import ANEW, Twins
from chaos.targets.docker import images
from chaos.targets.docker.capabilities import inside
from chaos.targets.docker.capabilities.deploy import Clock, Configuration, Deploy
from chaos.targets.docker.containers import Containers
from chaos.targets.docker.engine import DEPLOYED, SKEWED, Container, Engine, connect, in_words
from chaos.targets.docker.engines import DONE
from chaos.targets.docker.nameless import Nameless
from chaos.targets.docker.network_helper import cut_blocked
from chaos.targets.docker.notes import Notes
from chaos.targets.rows import Tell, healed, left
from chaos.targets.startup import until_healthy

__all__ = ["Compose", "cut_blocked", "resolve", "unavailable"]

START_SECONDS = 120.0  # that Compose may take for a step of a start, beside what nodes may take to become healthy
LASTS = 1.0  # seconds that a node without a health check has to run: whoever fails at once has run, too
HEALTH_EVERY = 0.5  # seconds between two checks of a node that is not healthy yet


def unavailable() -> str | None:
    """Why the compose target is unavailable on this machine, and what to do; None if it is available."""
    if why := platforms.unsupported():
        return why
    try:
        with in_words():
            connect(timeout=3).close()
    except TargetError as e:
        return str(e)
    return command.MISSING if command.find() is None else None


class Compose(Containers):
    """The compose target. All state is kept by the engine (labels) and the kernel, so that any process finds it.

    `log_dir` gets NODE.log for each node when the stack goes down, or when the node does not come up. `progress`
    receives messages during `up`. `within` is how long a node may take to become healthy, in seconds. `project` is the
    name of the Compose project if it differs from Compose's own choice.
    """

    name: ClassVar[str] = "compose"
    kept_in: ClassVar[str] = "containers, which see what the stack's description mounts"

    def __init__(
        self,
        stack: Stack,
        log_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        within: float = 60.0,
        project: str = "",
    ) -> None:
        name = project or projects.name(stack, os.environ)
        engine = Engine(name, owner.mark(stack), replicated=stack.replicas)
        self._command = Command(stack, engine)
        self._strangers = Strangers(stack, engine)
        self._nameless = Nameless(engine, Notes(engine))
        super().__init__(stack, engine, log_dir, progress, within)
        self._twins = Twins(engine, self.containers)

    def _remade(self) -> Sequence[Row]:
        configuration, commands = (
            Configuration(self.engines, self._recreate, self._one_of_many),
            inside.Exec(self.engines),
        )
        deploy = Deploy(configuration, self.healthy)
        how = "the container recreated with another environment, and its answer to a command"
        return (
            able.DEPLOY.by(deploy),
            able.SKEW.by(Clock(configuration, commands)),
            able.TELL.by(Tell(deploy, commands, how)),
        )

    def _one_of_many(self, node: Node) -> str | None:
        if service := self.stack.services[node.name].service:
            return f"it is one of the containers of {service}, which Compose recreates only together"
        return None

    def _unreachable(self, node: Node) -> str | None:
        service = self.stack.services[node.name].service or node.name
        return unreachable(self.stack, stackfile.raw(self.stack), service) or None

    # -- up and down

    async def up(self) -> None:
        if why := await asyncio.to_thread(unavailable):
            raise TargetError(why)
        await self._strangers.take(self._services)
        await images.prepare(self.engine, self.stack, self._progress)
        await self._twins.end()
        await self.undisputed()
        await self.notes.drop(DONE, await self.notes.get(DONE))
        found = await self.engine.containers()
        # Nodes of another posture, which compose would leave running.
        kept = self.stack.services.keys() | set(self.stack.jobs)
        await self._remove(c for name, c in found.items() if name not in kept)
        await self._nameless.note(c for name, c in found.items() if name in self.stack.services)
        # Compose would undo what an experiment changed.
        deployed = {name for name, c in found.items() if c.labels.keys() & {DEPLOYED, SKEWED}}
        watch = asyncio.create_task(self._tell_of_starts())
        try:
            await self._start_all(deployed)
        finally:
            watch.cancel()
        await self.containers.start([node for node in self.nodes() if node.name in deployed])
        done = await until_healthy(self, self._patience, HEALTH_EVERY, self._progress)
        if any(service.healthcheck is None for service in self.stack.services.values()):
            await asyncio.sleep(LASTS)
            done = await until_healthy(self, self._patience, HEALTH_EVERY, lambda text: None)
        for name in done:
            await self.notes.put(DONE, name, {})
            self._progress(f"{name} has done its work and ended, so it is no node of this stack")

    async def _start_all(self, deployed: AbstractSet[str]) -> None:
        """Let Compose start all services but those of `deployed` nodes; it waits for what the file says."""
        names = sorted({*self.stack.in_file(self.stack.services.keys() - deployed), *self.stack.jobs})
        words = [f"--scale={name}={count}" for name, count in self.stack.replicas.items()]
        if deployed or not declared(self.stack).conditions:
            words.append("--no-deps")  # otherwise they start one after the other
        await self._command.run("up", "--detach", "--no-build", *words, *names, silence=self.within + START_SECONDS)

    @property
    def _services(self) -> Sequence[str]:
        """As the file calls them."""
        return [*self.stack.in_file(self.stack.services), *self.stack.jobs]

    def _patience(self, node: Node) -> float:
        """How long a node may take to become healthy: longer if the file says so."""
        service = self.stack.services[node.name]
        return max(self.within, service.timing.until if service.healthcheck else 0.0)

    async def up_beside(self, names: Sequence[str]) -> None:
        """Start services of the description that are not nodes of the stack; their images may have to be pulled."""
        await self._strangers.refuse(names)
        await self._command.run("up", "--detach", "--no-build", "--no-deps", *names, progress=self._progress)

    async def undisputed(self) -> None:
        """Check ownership before any work on the stack.

        Raises NotOurs if a project that is not empty has nothing of this stack, or if a node has two containers.
        """
        if await self.engine.groups():
            await self._twins.refuse()
        else:
            await self._strangers.refuse(self._services)

    async def _tell_of_starts(self) -> None:
        while True:
            alive = sum(c.alive for c in (await self.engine.containers()).values())
            self._progress(f"starting {alive} of {len(self.stack.services)}")
            await asyncio.sleep(1.0)

    async def down(self) -> None:
        """Kill and remove everything; no data is kept. Objects of others are reported."""
        await self._host.settled()
        nodes, beside = await self.engine.groups(), await self.engine.beside()
        if (nodes or beside) and await self._may_be_cut():
            await self.network.clear()  # a table can outlive the harness that made it
        await self._reach.close()
        await self.network.close()
        if self.log_dir:
            await asyncio.gather(*(self._keep_log(name, group[0]) for name, group in nodes.items()))
        await self._remove([*(c for group in nodes.values() for c in group), *beside, *await self.engine.beside()])
        for words in [*await self.engine.remove_rest(), *await self._strangers.left_alone()]:
            self._progress(words)

    async def _remove(self, containers: Iterable[Container]) -> None:
        """Remove containers with all of their anonymous volumes."""
        doomed = list(containers)
        await self.engine.remove(doomed)
        await self._nameless.remove({c.node for c in doomed}, declared(self.stack).external_volumes)

    # -- heal

    async def heal(self) -> None:
        # Strays last: the engine may still have been creating one when the harness died.
        await healed((self._twins.end, self._twins.end_stops), self.can, (self._clear_away,))

    async def residue(self) -> Sequence[str]:
        return [*await self._twins.residue(), *await left(self.can), *await self._strays()]

    async def remains(self) -> Sequence[str]:
        """What exists of the stack and beside it, as text. For a stack that is not running it should be empty."""
        nodes, beside = await self.engine.containers(), await self.engine.beside()
        if not nodes and not beside:
            return []
        names = ", ".join([*sorted(nodes), *(c.labels.get("chaos.kind", "helper") for c in beside)])
        return [f"containers of {names}", *await self.residue()]

    async def _recreate(self, node: Node, extra: Mapping[str, Any] | None) -> None:
        container = await self.engines.find(node)
        if self.log_dir:
            await self._keep_log(node.name, container)
        await self._nameless.note([container])
        await self.notes.put(ANEW, node.name, {})
        words = ("up", "--detach", "--no-build", "--no-deps", "--timeout", "3", node.name)
        await self._command.run(*words, service=node.name, extra=extra)
        await self.notes.drop(ANEW, [node.name])
        await self.containers.lay_on([node])


def make(stack: Stack, log_dir: Path | None, tell: Callable[[str], None]) -> Target:
    return Compose(stack, log_dir, tell)
