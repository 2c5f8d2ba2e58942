"""The compose target: the stack as containers. The compose command starts them, the Docker SDK hurts and heals them."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols import (
    CanDeploy,
    CanExec,
    CanFill,
    CanForgetNames,
    CanHost,
    CanLeak,
    CanPause,
    CanRestart,
    CanSkew,
    CanSqueeze,
    CanStarve,
    Hosted,
)
from chaos.stackfile import Stack
from chaos.targets import compose_command, compose_guest, compose_helper, faketime, httpget, images
from chaos.targets.compose_command import Command
from chaos.targets.compose_disks import Disks
from chaos.targets.compose_engine import DEPLOYED, SKEWED, WAITING, Container, Engine, connect, in_words
from chaos.targets.compose_enter import enter
from chaos.targets.compose_health import Health
from chaos.targets.compose_helper import cut_blocked
from chaos.targets.compose_limits import WORDS, Limits
from chaos.targets.compose_names import Names
from chaos.targets.compose_notes import Notes
from chaos.targets.compose_stream import Stream
from chaos.targets.network import BACKENDS, Helper, Network, Networked
from chaos.targets.startup import Standing, until_healthy
from chaos.targets.surroundings import lookup

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["Compose", "cut_blocked", "unavailable"]

HEALTH_EVERY = 0.5  # seconds between two looks at a node that is not healthy yet
FAKETIME = "/chaos/libfaketime.so.1"  # where nodes whose clock is off have it
ENDS_WITHIN = 10.0  # seconds a signal may take to end a node


def unavailable() -> str | None:
    """Why this machine has no compose target, with what to do; None where it has."""
    try:
        with in_words():
            connect(timeout=3).close()
    except TargetError as e:
        return str(e)
    return compose_command.MISSING if compose_command.find() is None else None


class Compose(
    Networked, CanRestart, CanPause, CanStarve, CanSqueeze, CanLeak, CanForgetNames, CanFill,
    CanDeploy, CanSkew, CanExec, CanHost,
):  # fmt: skip
    """State is asked of the engine, which knows it by labels, and of the kernel, so any process finds it.

    `log_dir` gets NODE.log for each node when the stack goes down, or when the node does not come up; `progress` is
    told in words how `up` goes on; `within` is how long a node may take to become healthy, in seconds.
    """

    name: ClassVar[str] = "compose"
    backends: ClassVar[Mapping[str, str]] = {  # what does it, by capability: for the plan
        **BACKENDS,
        "CanKill": "the signal through the engine (docker kill); others than SIGKILL to every process of the container",
        "CanStop": "docker stop: SIGTERM through the engine, SIGKILL after the grace",
        "CanRestart": "docker stop and start through the engine",
        "CanPause": "the container's freezer, through the engine (docker pause)",
        "CanPower": f"{BACKENDS['drop']}; then SIGKILL through the engine (docker kill)",
        "CanStarve": "the container's CPU quota (control group), through the engine",
        "CanSqueeze": "the container's memory limit (control group), through the engine",
        "CanLeak": "a program in the container that takes memory, under the container's memory limit",
        "CanForgetNames": "drop rules for the engine's resolver, in the packet filter of the container's own network",
        "CanFill": "a file of zeros on the container's small tmpfs volumes",
        "CanDeploy": "the container made anew with another environment, by the compose command",
        "CanTell": "the container made anew with another environment, and its own word by a command",
        "CanSkew": "libfaketime by LD_PRELOAD, mounted into a container made anew by the compose command",
    }

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
        self._command = Command(stack, self._engine)
        self._health = Health(self._engine)
        self._notes = Notes(self._engine)
        self._limits = Limits(self._engine, self._notes, self._run_in)
        self._names = Names(self._engine, self._notes)
        bounded = {name: service.bounded for name, service in stack.services.items()}
        self._disks = Disks(self._engine, self._notes, self._run_in, bounded)
        self._guests: set[str] = set()  # containers that this process hosts
        self._making: set[asyncio.Future[compose_guest.Guest]] = set()  # that the engine is still making
        addresses = {n: s.address for n, s in stack.services.items() if s.address}
        self._network = Network(Helper(partial(compose_helper.start, self._engine)), addresses, bridged=True)

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
        # What an experiment set, compose would undo.
        deployed = {name for name, c in found.items() if c.labels.keys() & {DEPLOYED, SKEWED}}
        watch = asyncio.create_task(self._tell_of_starts())
        try:
            names = sorted(self._stack.services.keys() - deployed)
            await self._command.run("up", "--detach", "--no-build", "--no-deps", *names)
        finally:
            watch.cancel()
        await self.start([node for node in self.nodes() if node.name in deployed])
        await until_healthy(self, self._within, HEALTH_EVERY, self._progress)

    async def up_beside(self, names: Sequence[str]) -> None:
        """Services of the description that are no nodes of the stack; their images may have to be pulled."""
        await self._command.run("up", "--detach", "--no-build", "--no-deps", *names, progress=self._progress)

    async def _tell_of_starts(self) -> None:
        while True:
            alive = sum(c.alive for c in (await self._engine.containers()).values())
            self._progress(f"starting {alive} of {len(self._stack.services)}")
            await asyncio.sleep(1.0)

    async def standing(self, node: Node) -> Standing:
        container = await self._find(node)
        if container.alive:
            return Standing(True, f"still {container.state}")
        state = await self._engine.ask(lambda api: api.inspect_container(container.id)["State"])
        return Standing(False, f"exited {state['ExitCode']}")

    async def full_log(self, node: Node) -> str:
        return await self._keep_log(node.name, await self._find(node))

    async def down(self) -> None:
        """Killed, not stopped: there is nothing that anybody would want to keep."""
        await asyncio.gather(*self._making, return_exceptions=True)
        nodes, beside = await self._engine.containers(), await self._engine.beside()
        if nodes or beside:
            await self._heal_network()  # a table can outlive the harness that made it
        await self._network.close()
        if self._log_dir:
            await asyncio.gather(*(self._keep_log(name, c) for name, c in nodes.items()))
        await self._engine.remove([*nodes.values(), *beside, *await self._engine.beside()])
        for words in await self._engine.remove_rest():
            self._progress(words)

    async def heal(self) -> None:
        """Whatever of it fails, the rest is still healed; then the first failure is raised."""
        steps = (
            self._end_strays,
            self._heal_network,
            self._heal_pauses,
            self._limits.clear,
            self._heal_names,
            self._heal_disks,
            self._heal_deployments,
            self._heal_kills,
            self._clear_away,  # last: the engine may still have been making one when the harness died
        )
        failed: list[TargetError] = []
        for step in steps:
            try:
                await step()
            except TargetError as e:
                failed.append(e)
        if failed:
            raise failed[0]

    async def _end_strays(self) -> None:
        """Loads of a harness that is gone, and those that nobody waited for."""
        await asyncio.gather(*self._making, return_exceptions=True)
        await self._engine.remove(c for c in await self._engine.beside("load") if c.id not in self._guests)

    async def _clear_away(self) -> None:
        await self._engine.remove(await self._engine.strays())

    async def _heal_network(self) -> None:
        if await images.is_here(self._engine, images.helper_tag()):  # without it nobody can have cut anything
            await self._network.clear()

    async def _heal_pauses(self) -> None:
        await self.resume([n for n, c in await self._standing() if c.state == "paused"])

    async def _heal_names(self) -> None:
        await self._names.show(await self._names.hidden())

    async def _heal_disks(self) -> None:
        await self._disks.drain(await self._disks.filled())

    async def _heal_deployments(self) -> None:
        for node, container in await self._standing():
            if DEPLOYED in container.labels or SKEWED in container.labels:
                await self._configure(node, {}, "")

    async def _heal_kills(self) -> None:
        await self.start([n for n, c in await self._standing() if not c.alive])
        await self._notes.drop("restart", await self._notes.get("restart"))

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
            *(f"{name} has the wrong time" for name, c in nodes if SKEWED in c.labels),
            *(f"{name} was restarted by an experiment" for name in sorted(await self._notes.get("restart"))),
            *(f"{name} {WORDS[kind]}" for name, kind in await self._limits.left()),
            *(f"{name} has no room on its volumes" for name in await self._disks.filled()),
            *(f"{name} resolves no names" for name in await self._names.hidden()),
            *await self._cuts_left(),
            *(f"container {c.id[:12]} was left behind by a harness" for c in await self._engine.strays()),
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
        killed = [c.id for c in alive]
        await self._engine.each(killed, lambda api, id_: api.kill(id_, name), 404, 409, at_once=WAITING)
        deadline = time.monotonic() + ENDS_WITHIN
        while any([(await self._find(n)).alive for n in nodes]) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def stop(self, nodes: Sequence[Node], grace: float) -> None:
        """The engine counts whole seconds, so `grace` is rounded up; images may say a signal other than SIGTERM."""
        alive = [c.id for c in await self._all(nodes) if c.alive]
        await self._engine.each(alive, lambda api, id_: api.stop(id_, timeout=math.ceil(grace)))

    async def restart(self, nodes: Sequence[Node], grace: float) -> None:
        for node in nodes:
            await self._notes.replace("restart", node.name, {"before": await self._identity(node)})
        await self.stop(nodes, grace)
        await self.start(nodes)

    async def restarted(self, node: Node) -> bool:
        note = (await self._notes.get("restart")).get(node.name)
        return note is not None and await self.running(node) and note["before"] != await self._identity(node)

    async def forget_restart(self, nodes: Sequence[Node]) -> None:
        await self._notes.drop("restart", [n.name for n in nodes])

    async def _identity(self, node: Node) -> str:
        """Of the node's processes: another one after each start."""
        id_ = (await self._find(node)).id
        started = await self._engine.ask(lambda api: api.inspect_container(id_)["State"]["StartedAt"])
        return f"{id_} {started}"

    async def start(self, nodes: Sequence[Node]) -> None:
        dead = [c.id for c in await self._all(nodes) if not c.alive]
        await self._engine.each(dead, lambda api, id_: api.start(id_))
        await self._limits.lay([n.name for n in nodes])
        await self._names.lay([n.name for n in nodes])
        await self._disks.lay([n.name for n in nodes])

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

    # -- limits

    async def starve(self, nodes: Sequence[Node], share: float) -> None:
        await self._limits.want("cpu", [n.name for n in nodes], share)

    async def feed(self, nodes: Sequence[Node]) -> None:
        await self._limits.want("cpu", [n.name for n in nodes], None)

    async def starved(self, node: Node) -> bool:
        return await self._limits.throttled(await self._find(node))

    async def squeeze(self, nodes: Sequence[Node], limit: int) -> None:
        await self._limits.want("memory", [n.name for n in nodes], limit)

    async def release(self, nodes: Sequence[Node]) -> None:
        await self._limits.want("memory", [n.name for n in nodes], None)

    async def squeezed(self, node: Node) -> int | None:
        return await self._limits.memory_limit(await self._find(node))

    async def leak(self, nodes: Sequence[Node], rate: int, limit: int) -> None:
        await self._limits.want("leak", [n.name for n in nodes], [rate, limit])

    async def seal(self, nodes: Sequence[Node]) -> None:
        await self._limits.want("leak", [n.name for n in nodes], None)

    async def leaks(self, node: Node) -> bool:
        return await self._limits.leaks(await self._find(node))

    def unfit(self, needs: type, node: Node) -> str:
        """Why a node is none for a capability that others have; empty where it is one."""
        if needs is CanSkew and faketime.find() is None:
            return faketime.MISSING
        return self._disks.unfit(node.name) if needs is CanFill else ""

    async def fill(self, nodes: Sequence[Node]) -> None:
        await self._disks.fill([n.name for n in nodes])

    async def drain(self, nodes: Sequence[Node]) -> None:
        await self._disks.drain([n.name for n in nodes])

    async def full(self, node: Node) -> bool:
        return await self._disks.full(await self._find(node))

    # -- the network

    async def _ask_from(self, names: Sequence[str], program: str, argv: Sequence[str]) -> str:
        found = await self._engine.containers()
        alive = [found[name] for name in names if name in found and found[name].alive]
        if not alive:
            raise TargetError(f"none of {', '.join(names)} runs, so nobody can ask from there")
        command = ["python3", "-I", "-S", "-c", Path(program).read_text(), *argv]
        return await enter(self._engine, alive[0], command, network_mode=f"container:{alive[0].id}")

    async def hide_names(self, nodes: Sequence[Node]) -> None:
        await self._names.hide([n.name for n in nodes])

    async def show_names(self, nodes: Sequence[Node]) -> None:
        await self._names.show([n.name for n in nodes])

    async def resolves(self, node: Node) -> bool:
        code, _ = await self.exec(node, lookup(node))
        return code == 0

    # -- configuration

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        await self._configure(node, environment, (await self._find(node)).labels.get(SKEWED, ""))

    async def undeploy(self, node: Node) -> None:
        container = await self._find(node)
        if DEPLOYED in container.labels:
            await self._configure(node, {}, container.labels.get(SKEWED, ""))

    async def skew(self, nodes: Sequence[Node], seconds: float) -> None:
        for node in nodes:
            await self._configure(node, await self.deployed(node), f"{seconds:+.3f}")

    async def unskew(self, nodes: Sequence[Node]) -> None:
        for node, container in zip(nodes, await self._all(nodes), strict=True):
            if SKEWED in container.labels:
                await self._configure(node, await self.deployed(node), "")

    async def clock(self, node: Node) -> tuple[float, float]:
        """No word of the node's own program: only whether it has the library, and what a program beside it reads."""
        before = time.time()
        code, said = await self.exec(node, ["sh", "-c", "grep -q faketime /proc/1/maps && date +%s.%N"])
        after = time.time()
        return float(said) - (before + after) / 2 if code == 0 else 0.0, (after - before) / 2

    async def _configure(self, node: Node, environment: Mapping[str, str], skew: str) -> None:
        """A container of its own with `environment` on top; labels on it say so to whoever looks later."""
        extra: dict[str, Any] = {"environment": dict(environment), "labels": {}}
        if environment:
            extra["labels"][DEPLOYED] = json.dumps(dict(environment))
        if skew:
            if (library := faketime.find()) is None:
                raise TargetError(faketime.MISSING)
            extra["environment"] |= faketime.environment(FAKETIME, float(skew))
            extra["labels"][SKEWED] = skew
            extra["volumes"] = [f"{library}:{FAKETIME}:ro"]
        if not extra["labels"]:
            return await self._recreate(node)
        for words in (extra["environment"], extra["labels"]):
            words.update({k: v.replace("$", "$$") for k, v in words.items()})  # compose would take $ for its own
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as override:
            json.dump({"services": {node.name: extra}}, override)
            override.flush()
            return await self._recreate(node, Path(override.name))

    async def _recreate(self, node: Node, override: Path | None = None) -> None:
        if self._log_dir:
            await self._keep_log(node.name, await self._find(node))
        words = ("up", "--detach", "--no-build", "--no-deps", "--timeout", "3", node.name)
        await self._command.run(*words, override=override)
        await self._limits.lay([node.name])
        await self._names.lay([node.name])
        await self._disks.lay([node.name])

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
        making = asyncio.ensure_future(compose_guest.begin(self._engine, self._stack.root, command, run_dir, log))
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        guest = await asyncio.shield(making)  # who is cancelled here leaves it to `heal` and `down`, which wait for it
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
