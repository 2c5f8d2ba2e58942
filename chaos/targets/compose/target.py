"""The compose target: the stack as containers. The compose command starts them, the Docker SDK injects and heals
faults.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from chaos.errors import TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols import capabilities as able
from chaos.protocols.table import Table
from chaos.targets import platforms
from chaos.targets.compose import command, owner
from chaos.targets.compose import project as projects
from chaos.targets.compose.command import Command
from chaos.targets.compose.declared import declared, unreachable
from chaos.targets.compose.reading import resolve
from chaos.targets.compose.strangers import Strangers
from chaos.targets.compose.twins import ANEW, Twins
from chaos.targets.docker import images, network_helper
from chaos.targets.docker.capabilities import inside
from chaos.targets.docker.capabilities.deploy import Clock, Configuration, Deploy
from chaos.targets.docker.capabilities.disks import Fill
from chaos.targets.docker.capabilities.ends import Kill, Restart, Stop
from chaos.targets.docker.capabilities.host import Host
from chaos.targets.docker.capabilities.limits import Cpu, Leak, Memory
from chaos.targets.docker.capabilities.names import Hide
from chaos.targets.docker.capabilities.pause import Pause
from chaos.targets.docker.disks import Disks
from chaos.targets.docker.engine import DEPLOYED, SKEWED, Container, Engine, connect, in_words
from chaos.targets.docker.engines import DONE, Engines, Per
from chaos.targets.docker.enter import enter
from chaos.targets.docker.health import Health
from chaos.targets.docker.limits import Limits
from chaos.targets.docker.nameless import Nameless
from chaos.targets.docker.names import Names
from chaos.targets.docker.network_helper import cut_blocked
from chaos.targets.docker.nodes import Nodes
from chaos.targets.docker.notes import Notes
from chaos.targets.docker.policies import Policies
from chaos.targets.docker.reach import Reach, found
from chaos.targets.network import DROP, Cut, Helper, Links, Network, Reset, Shape
from chaos.targets.rows import Power, Tell, healed, left
from chaos.targets.startup import Standing, until_healthy

__all__ = ["Compose", "cut_blocked", "resolve", "unavailable"]

START_SECONDS = 120.0  # that Compose may take for a step of a start, beside what nodes may take to become healthy
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


class Compose(Target):
    """The compose target. All state is kept by the engine (labels) and the kernel, so that any process finds it.

    `log_dir` gets NODE.log for each node when the stack goes down, or when the node does not come up. `progress`
    receives messages during `up`. `within` is how long a node may take to become healthy, in seconds. `project` is the
    name of the Compose project if it differs from Compose's own choice.
    """

    name: ClassVar[str] = "compose"
    contained: ClassVar[bool] = True
    kept_in: ClassVar[str] = "containers, which see what the stack's description mounts"

    def __init__(
        self,
        stack: Stack,
        log_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        within: float = 60.0,
        project: str = "",
    ) -> None:
        self.stack, self.log_dir, self._progress, self.within = stack, log_dir, progress, within
        self.engine = engine = Engine(
            project or projects.name(stack, os.environ), owner.mark(stack), replicated=stack.replicas
        )
        self._command = Command(stack, engine)
        self._strangers = Strangers(stack, engine)
        self._health = Health(engine)
        self.notes = Notes(engine)
        self._nameless = Nameless(engine, self.notes)
        self._host = Host(engine, stack)
        self.network = Network(Helper(partial(network_helper.start, engine)), partial(found, engine), bridged=True)
        self._reach = Reach(engine, self.network)
        self.engines = Engines(stack.nodes, lambda name: engine)
        reach = Per(self.engines, lambda one: self._reach)
        bounded = {name: service.bounded for name, service in stack.services.items()}
        self._limits = Per(self.engines, lambda one: Limits(one, Notes(one), partial(inside.run, one)))
        self.names = Per(self.engines, lambda one: Names(one, Notes(one)))
        self._disks = Per(self.engines, lambda one: Disks(one, Notes(one), partial(inside.run, one), bounded))
        policies = Per(self.engines, lambda one: Policies(one, Notes(one)))
        self.containers = Nodes(self.engines, policies, (self._limits, self.names, self._disks, reach))
        self._twins = Twins(engine, self.containers)
        self._can = self._table()

    def _table(self) -> Table:
        engines, nodes, limits = self.engines, self.containers, self._limits
        links = Links(self.network, self.nodes, self._ask_from, self._reach.check, self._unreachable, self._may_be_cut)
        configuration = Configuration(engines, self._recreate)
        cut, kill, commands = Cut(links), Kill(nodes), inside.Exec(engines)
        deploy = Deploy(configuration, self.healthy)
        return Table(
            able.HOST.by(self._host),
            able.CUT.by(cut),
            able.SHAPE.by(Shape(links)),
            able.RESET.by(Reset(links)),
            able.PAUSE.by(Pause(engines)),
            able.STARVE.by(Cpu(engines, limits)),
            able.SQUEEZE.by(Memory(engines, limits)),
            able.LEAK.by(Leak(nodes, limits)),
            able.HIDE.by(Hide(self.names, lambda node: self.stack.services[node.name].network_mode)),
            able.FILL.by(Fill(engines, self._disks)),
            able.DEPLOY.by(deploy),
            able.SKEW.by(Clock(configuration, commands)),
            able.KILL.by(kill),
            able.STOP.by(Stop(nodes)),
            able.RESTART.by(Restart(nodes, Per(engines, Notes))),
            able.POWER.by(Power(cut, kill, f"{DROP}; then SIGKILL through the engine (docker kill)")),
            able.EXEC.by(commands),
            able.TELL.by(
                Tell(deploy, commands, "the container recreated with another environment, and its answer to a command")
            ),
        )

    @property
    def can(self) -> Table:
        return self._can

    def nodes(self) -> Sequence[Node]:
        return self.stack.nodes

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
        for name in await until_healthy(self, self._patience, HEALTH_EVERY, self._progress):
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
        strays = [f"container {c.id[:12]} was left behind by a harness" for c in await self.engine.strays()]
        return [*await self._twins.residue(), *await left(self.can), *strays]

    async def remains(self) -> Sequence[str]:
        """What exists of the stack and beside it, as text. For a stack that is not running it should be empty."""
        nodes, beside = await self.engine.containers(), await self.engine.beside()
        if not nodes and not beside:
            return []
        names = ", ".join([*sorted(nodes), *(c.labels.get("chaos.kind", "helper") for c in beside)])
        return [f"containers of {names}", *await self.residue()]

    async def _clear_away(self) -> None:
        await self.engine.remove(await self.engine.strays())

    # -- nodes

    async def running(self, node: Node) -> bool:
        return await self.containers.running(node)

    async def healthy(self, node: Node) -> bool:
        service = self.stack.services[node.name]
        try:
            if service.healthcheck is None:
                return (await self.engines.find(node)).state == "running"
            return await self._health.passes(node.name, service.healthcheck, service.timing.check)
        except TargetError:
            return False

    async def standing(self, node: Node) -> Standing:
        container = await self.engines.find(node)
        if container.alive:
            return Standing(True, f"still {container.state}")
        found = await self.engine.ask(lambda api: api.inspect_container(container.id))
        code, policy = found["State"]["ExitCode"], found["HostConfig"]["RestartPolicy"]["Name"]
        once = not self.stack.services[node.name].healthcheck and policy in ("", "no")
        return Standing(False, f"exited {code}", done=once and code == 0 and found["State"]["Status"] == "exited")

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]:
        container = await self.engines.find(node)
        said = await self.engine.ask(lambda api: api.logs(container.id, tail=lines))
        return bytes(said).decode(errors="replace").splitlines()

    async def full_log(self, node: Node) -> str:
        return await self._keep_log(node.name, await self.engines.find(node))

    async def _keep_log(self, name: str, container: Container) -> str:
        """Save the container's log; returns the path of the whole log. The container's own log is removed with it."""
        if self.log_dir is None:
            return f"docker logs {container.id[:12]}"
        said = await self.engine.ask(lambda api: api.logs(container.id, timestamps=True))
        path = self.log_dir / f"{name}.log"
        with path.open("ab") as out:
            out.write(bytes(said))
        return str(path)

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

    # -- the network

    async def _may_be_cut(self) -> bool:
        """Whether there can be cuts. Without the helper's image there cannot."""
        return await images.is_here(self.engine, images.helper_tag())

    def _unreachable(self, node: Node) -> str | None:
        return unreachable(self.stack, self._file, node.name) or None

    @functools.cached_property
    def _file(self) -> Mapping[str, Any]:
        return stackfile.raw(self.stack)

    async def _ask_from(self, names: Sequence[str], program: str, argv: Sequence[str]) -> str:
        found = await self.engine.containers()
        alive = [found[name] for name in names if name in found and found[name].alive]
        if names and not alive:
            raise TargetError(f"none of {', '.join(names)} is running, so nothing can be measured from there")
        look = ["python3", "-I", "-S", "-c", Path(program).read_text(encoding="utf-8"), *argv]
        where = f"container:{alive[0].id}" if names else "host"
        return await enter(self.engine, names[0] if names else "the host", look, network_mode=where)


def make(stack: Stack, log_dir: Path | None, tell: Callable[[str], None]) -> Target:
    return Compose(stack, log_dir, tell)
