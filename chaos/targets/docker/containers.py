"""Nodes that are containers of one Docker engine: all that can be done to them, whoever started them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from chaos.errors import TargetError
from chaos.experiment.stack import Stack
from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols import capabilities as able
from chaos.protocols.table import Row, Table
from chaos.targets.docker import images, network_helper
from chaos.targets.docker.capabilities import inside
from chaos.targets.docker.capabilities.disks import Fill
from chaos.targets.docker.capabilities.ends import Kill, Restart, Stop
from chaos.targets.docker.capabilities.host import Host
from chaos.targets.docker.capabilities.limits import Cpu, Leak, Memory
from chaos.targets.docker.capabilities.names import Hide
from chaos.targets.docker.capabilities.pause import Pause
from chaos.targets.docker.disks import Disks
from chaos.targets.docker.engine import Container, Engine
from chaos.targets.docker.engines import Engines, Per
from chaos.targets.docker.enter import enter
from chaos.targets.docker.health import Health
from chaos.targets.docker.limits import Limits
from chaos.targets.docker.names import Names
from chaos.targets.docker.nodes import Nodes
from chaos.targets.docker.notes import Notes
from chaos.targets.docker.policies import Policies
from chaos.targets.docker.reach import Reach, found
from chaos.targets.network import DROP, Cut, Helper, Links, Network, Reset, Shape
from chaos.targets.rows import Power
from chaos.targets.startup import Standing


class Containers(Target):
    """Base of the targets whose nodes are containers. All state is kept by the engine (labels) and the kernel, so that
    any process finds it.

    `log_dir` gets NODE.log for each node whose whole log is asked for. `progress` receives messages. `within` is how
    long a node may take to become healthy, in seconds.
    """

    contained = True

    def __init__(
        self, stack: Stack, engine: Engine, log_dir: Path | None, progress: Callable[[str], None], within: float
    ) -> None:
        self.stack, self.engine, self.log_dir, self._progress, self.within = stack, engine, log_dir, progress, within
        self.notes = Notes(engine)
        self._health, self._host = Health(engine), Host(engine, stack)
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
        self._can = self._table()

    def _remade(self) -> Sequence[Row]:
        """The rows of what recreates a node's container: DEPLOY, SKEW and TELL."""
        raise NotImplementedError

    def _unreachable(self, node: Node) -> str | None:
        """Why network faults miss packets of the node; None if they miss none."""
        raise NotImplementedError

    def _table(self) -> Table:
        engines, nodes, limits = self.engines, self.containers, self._limits
        links = Links(self.network, self.nodes, self._ask_from, self._reach.check, self._unreachable, self._may_be_cut)
        cut, kill = Cut(links), Kill(nodes)
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
            *self._remade(),
            able.KILL.by(kill),
            able.STOP.by(Stop(nodes)),
            able.RESTART.by(Restart(nodes, Per(engines, Notes))),
            able.POWER.by(Power(cut, kill, f"{DROP}; then SIGKILL through the engine (docker kill)")),
            able.EXEC.by(inside.Exec(engines)),
        )

    @property
    def can(self) -> Table:
        return self._can

    def nodes(self) -> Sequence[Node]:
        return self.stack.nodes

    async def prepare(self) -> None:
        await images.prepare(self.engine, self.stack, self._progress)

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

    # -- the network

    async def _may_be_cut(self) -> bool:
        """Whether there can be cuts. Without the helper's image there cannot."""
        return await images.is_here(self.engine, images.helper_tag())

    async def _ask_from(self, names: Sequence[str], program: str, argv: Sequence[str]) -> str:
        found = await self.engine.containers()
        alive = [found[name] for name in names if name in found and found[name].alive]
        if names and not alive:
            raise TargetError(f"none of {', '.join(names)} is running, so nothing can be measured from there")
        look = ["python3", "-I", "-S", "-c", Path(program).read_text(encoding="utf-8"), *argv]
        where = f"container:{alive[0].id}" if names else "host"
        return await enter(self.engine, names[0] if names else "the host", look, network_mode=where)

    async def _strays(self) -> Sequence[str]:
        """What harnesses that are gone have left beside the nodes, as text."""
        return [f"container {c.id[:12]} was left behind by a harness" for c in await self.engine.strays()]

    async def _clear_away(self) -> None:
        await self.engine.remove(await self.engine.strays())
