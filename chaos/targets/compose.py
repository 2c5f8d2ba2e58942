"""The compose target: the stack as containers. The compose command starts them, the Docker SDK hurts and heals them."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols import CanCut, CanDeploy, CanExec, CanHost, CanKill, CanPause, Cut, Hosted
from chaos.stackfile import Stack
from chaos.targets import compose_command, compose_guest, httpget, images
from chaos.targets.compose_command import Command
from chaos.targets.compose_engine import DEPLOYED, Container, Engine, connect, in_words
from chaos.targets.compose_health import Health
from chaos.targets.compose_network import Network, cut_blocked
from chaos.targets.compose_stream import Stream

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["Compose", "cut_blocked", "unavailable"]

HEALTH_EVERY = 0.5  # seconds between two looks at a node that is not healthy yet
HEALTH_AT_ONCE = 4  # a node's first check is dear, and takes the processor from what it waits for
ENDS_WITHIN = 10.0  # seconds a signal may take to end a node


def unavailable() -> str | None:
    """Why this machine has no compose target, with what to do; None where it has."""
    try:
        with in_words():
            connect(timeout=3).close()
    except TargetError as e:
        return str(e)
    return compose_command.MISSING if compose_command.find() is None else None


class Compose(CanCut, CanKill, CanPause, CanDeploy, CanExec, CanHost):
    """State is asked of the engine, which knows it by labels, and of the kernel, so any process finds it.

    `log_dir` gets NODE.log for each node when the stack goes down, or when the node does not come up; `progress` is
    told in words how `up` goes on; `within` is how long a node may take to become healthy, in seconds.
    """

    name: ClassVar[str] = "compose"

    def __init__(
        self,
        stack: Stack,
        log_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        within: float = 60.0,
        project: str = "chaos",
    ) -> None:
        self._stack, self._log_dir, self._progress, self._within = stack, log_dir, progress, within
        self._engine = Engine(project)
        self._command = Command(stack, project)
        self._health = Health(self._engine)
        self._guests: set[str] = set()  # containers that this process hosts
        self._network = Network(self._engine, {n: s.address for n, s in stack.services.items() if s.address})

    def nodes(self) -> Sequence[Node]:
        return self._stack.nodes

    # -- up and down

    async def up(self) -> None:
        if why := await asyncio.to_thread(unavailable):
            raise TargetError(why)
        await images.prepare(self._engine, self._stack, self._progress)
        found = await self._engine.containers()
        # Nodes of another posture, which compose would leave running beside this one.
        await self._engine.remove(c for name, c in found.items() if name not in self._stack.services)
        deployed = {name for name, c in found.items() if DEPLOYED in c.labels}  # compose would undo that
        watch = asyncio.create_task(self._tell_of_starts())
        try:
            names = sorted(self._stack.services.keys() - deployed)
            await self._command.run("up", "--detach", "--no-build", "--no-deps", *names)
        finally:
            watch.cancel()
        await self.start([node for node in self.nodes() if node.name in deployed])
        await self._await_health()

    async def _tell_of_starts(self) -> None:
        while True:
            alive = sum(c.alive for c in (await self._engine.containers()).values())
            self._progress(f"starting {alive} of {len(self._stack.services)}")
            await asyncio.sleep(1.0)

    async def _await_health(self) -> None:
        deadline = time.monotonic() + self._within
        gate = asyncio.Semaphore(HEALTH_AT_ONCE)
        healthy: list[str] = []

        async def wait_for(node: Node) -> None:
            while True:
                async with gate:
                    if await self.healthy(node):
                        break
                await self._check_alive(node, time.monotonic() > deadline)
                await asyncio.sleep(HEALTH_EVERY)
            healthy.append(node.name)
            self._progress(f"healthy {len(healthy)} of {len(self._stack.services)}")

        try:
            async with asyncio.TaskGroup() as every:
                for node in self.nodes():
                    every.create_task(wait_for(node))
        except* TargetError as group:
            raise _first(group) from None

    async def _check_alive(self, node: Node, late: bool) -> None:
        container = await self._find(node)
        if container.alive and not late:
            return
        state = await self._engine.ask(lambda api: api.inspect_container(container.id)["State"])
        words = f"still {container.state}" if container.alive else f"exited {state['ExitCode']}"
        last = "\n  ".join(await self.logs(node)) or "(nothing)"
        raise TargetError(
            f"{node.name} did not become healthy within {self._within:g} s ({words}). Last lines:\n  {last}\n"
            f"Full log: {await self._keep_log(node.name, container)}"
        )

    async def down(self) -> None:
        """Killed, not stopped: there is nothing that anybody would want to keep."""
        nodes, beside = await self._engine.containers(), await self._engine.beside()
        if nodes or beside:
            await self._heal_network()  # a table can outlive the harness that made it
        await self._network.close()
        if self._log_dir:
            await asyncio.gather(*(self._keep_log(name, c) for name, c in nodes.items()))
        await self._engine.remove([*nodes.values(), *beside, *await self._engine.beside()])
        await self._engine.remove_rest()

    async def heal(self) -> None:
        """Whatever of it fails, the rest is still healed; then the first failure is raised."""
        steps = (self._end_strays, self._heal_network, self._heal_pauses, self._heal_deployments, self._heal_kills)
        failed: list[TargetError] = []
        for step in steps:
            try:
                await step()
            except TargetError as e:
                failed.append(e)
        if failed:
            raise failed[0]

    async def _end_strays(self) -> None:
        """Loads of a harness that is gone."""
        await self._engine.remove(c for c in await self._engine.beside("load") if c.id not in self._guests)

    async def _heal_network(self) -> None:
        if await images.is_here(self._engine, images.helper_tag()):  # without it nobody can have cut anything
            await self._network.clear()

    async def _heal_pauses(self) -> None:
        await self.resume([n for n, c in await self._standing() if c.state == "paused"])

    async def _heal_deployments(self) -> None:
        for node, container in await self._standing():
            if DEPLOYED in container.labels:
                await self.undeploy(node)

    async def _heal_kills(self) -> None:
        await self.start([n for n, c in await self._standing() if not c.alive])

    async def _standing(self) -> Sequence[tuple[Node, Container]]:
        """Nodes that have a container; what was never up is not down."""
        found = await self._engine.containers()
        return [(node, found[node.name]) for node in self.nodes() if node.name in found]

    async def residue(self) -> Sequence[str]:
        nodes = [(n.name, c) for n, c in await self._standing()]
        return [
            *(f"{name} is not running" for name, c in nodes if not c.alive),
            *(f"{name} is paused" for name, c in nodes if c.state == "paused"),
            *(f"{name} runs a configuration of an experiment" for name, c in nodes if DEPLOYED in c.labels),
            *await self._cuts_left(),
        ]

    async def _cuts_left(self) -> Sequence[str]:
        here = await images.is_here(self._engine, images.helper_tag())
        return await self._network.residue() if here else []

    async def healthy(self, node: Node) -> bool:
        check = self._stack.services[node.name].healthcheck
        try:
            if check is None:
                return (await self._find(node)).state == "running"
            return await self._health.passes(node.name, check)
        except TargetError:
            return False

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]:
        container = await self._find(node)
        said = await self._engine.ask(lambda api: api.logs(container.id, tail=lines))
        return bytes(said).decode(errors="replace").splitlines()

    async def _keep_log(self, name: str, container: Container) -> str:
        """Where the whole log can be read; the container's own would go with it."""
        if self._log_dir is None:
            return f"docker logs {container.id[:12]}"
        said = await self._engine.ask(lambda api: api.logs(container.id, timestamps=True))
        path = self._log_dir / f"{name}.log"
        with path.open("ab") as out:
            out.write(bytes(said))
        return str(path)

    # -- processes

    async def _find(self, node: Node) -> Container:
        return (await self._all([node]))[0]

    async def _all(self, nodes: Iterable[Node]) -> Sequence[Container]:
        found = await self._engine.containers()
        if missing := [n.name for n in nodes if n.name not in found]:
            raise TargetError(f"{', '.join(missing)}: no container of project {self._engine.project}; is the stack up?")
        return [found[n.name] for n in nodes]

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        """SIGKILL ends every process of a node; other signals reach all of them, which do with it what they will."""
        alive = [c for c in await self._all(nodes) if c.alive]
        if signal != "KILL":
            everybody = ["sh", "-c", f"kill -s {signal.removeprefix('SIG')} -1"]  # all but the first process
            await asyncio.gather(*(self._run_in(c, everybody, ENDS_WITHIN) for c in alive if c.state == "running"))
        name = f"SIG{signal.removeprefix('SIG')}"
        await self._engine.each([c.id for c in alive], lambda api, id_: api.kill(id_, name), 404, 409)
        deadline = time.monotonic() + ENDS_WITHIN
        while any([(await self._find(n)).alive for n in nodes]) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def start(self, nodes: Sequence[Node]) -> None:
        dead = [c.id for c in await self._all(nodes) if not c.alive]
        await self._engine.each(dead, lambda api, id_: api.start(id_))

    async def running(self, node: Node) -> bool:
        found = await self._engine.containers()
        return node.name in found and found[node.name].alive

    async def pause(self, nodes: Sequence[Node]) -> None:
        containers = await self._all(nodes)
        if dead := [c.service for c in containers if not c.alive]:
            raise TargetError(f"{', '.join(dead)}: not running; `chaos status` says what is")
        awake = [c.id for c in containers if c.state != "paused"]
        await self._engine.each(awake, lambda api, id_: api.pause(id_))

    async def resume(self, nodes: Sequence[Node]) -> None:
        frozen = [c.id for c in await self._all(nodes) if c.state == "paused"]
        await self._engine.each(frozen, lambda api, id_: api.unpause(id_), 409)  # 409: killed meanwhile

    async def paused(self, node: Node) -> bool:
        return (await self._find(node)).state == "paused"

    # -- the network

    async def cut(self, by: str, cuts: Sequence[Cut]) -> None:
        await self._network.cut(by, cuts)

    async def join(self, by: str, cuts: Sequence[Cut]) -> None:
        await self._network.join(by, cuts)

    async def is_cut(self, cut: Cut) -> bool:
        return await self._network.is_cut(cut)

    # -- configuration

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        """A container of its own with `environment` on top; a label on it says so to whoever looks later."""
        variables = {k: v.replace("$", "$$") for k, v in environment.items()}  # compose would take $ for its own
        label = json.dumps(dict(environment)).replace("$", "$$")
        extra = {"services": {node.name: {"environment": variables, "labels": {DEPLOYED: label}}}}
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as override:
            json.dump(extra, override)
            override.flush()
            await self._recreate(node, Path(override.name))

    async def undeploy(self, node: Node) -> None:
        if await self.deployed(node):
            await self._recreate(node)

    async def _recreate(self, node: Node, override: Path | None = None) -> None:
        if self._log_dir:
            await self._keep_log(node.name, await self._find(node))
        words = ("up", "--detach", "--no-build", "--no-deps", "--timeout", "3", node.name)
        await self._command.run(*words, override=override)

    async def deployed(self, node: Node) -> Mapping[str, str]:
        found = json.loads((await self._find(node)).labels.get(DEPLOYED, "{}"))
        assert isinstance(found, dict)
        return found

    # -- inside a node, and among the users

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        container = await self._find(node)
        if container.state != "running":
            raise TargetError(f"{node.name}: not running ({container.state}); `chaos status` says what is")
        try:
            return await self._run_in(container, command, timeout)
        except TimeoutError:
            raise TargetError(f"{node.name}: `{' '.join(command)}` did not end within {timeout:g} s") from None

    async def _run_in(self, container: Container, command: Sequence[str], timeout: float) -> tuple[int, str]:
        """Exit code and output. Raises TimeoutError; the command may then still run in its container."""

        def run(api: APIClient) -> tuple[int, str] | None:
            made = api.exec_create(container.id, list(command))
            stream = Stream(api.exec_start(made["Id"], socket=True))
            try:
                deadline = time.monotonic() + timeout
                output = stream.read_all(deadline).decode(errors="replace")
                while (end := api.exec_inspect(made["Id"]))["Running"]:  # for a moment after its output has ended
                    if time.monotonic() > deadline:
                        return None
                    time.sleep(0.01)
                return int(end["ExitCode"]), output
            except TimeoutError:
                return None
            finally:
                stream.close()

        if (answer := await self._engine.ask(run)) is None:
            raise TimeoutError
        return answer

    async def host(self, command: Sequence[str], run_dir: Path, log: str) -> Hosted:
        guest = await compose_guest.begin(self._engine, self._stack.root, command, run_dir, log)
        self._guests.add(guest.id)
        return guest

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        """Through the published port where there is one: the address answers only where the engine's host is here."""
        service = self._stack.services[node]
        for _, outside, inside in service.ports:
            if inside == port and outside:
                return await httpget.get("127.0.0.1", outside, path, timeout, node)
        if service.address is None:
            raise TargetError(f"{node}: port {port} is not published and the node has no address of its own")
        return await httpget.get(service.address, port, path, timeout, node)


def _first(group: BaseExceptionGroup[TargetError]) -> TargetError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
