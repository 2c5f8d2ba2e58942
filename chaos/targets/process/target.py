"""The embedded target: every service is a local process in the box, with its own network, processes and files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from chaos.errors import TargetError
from chaos.experiment.stack import Stack
from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols import capabilities as able
from chaos.protocols.table import Table
from chaos.targets.box.limits import Limits
from chaos.targets.box.names import Names
from chaos.targets.box.network_helper import Pipe
from chaos.targets.network import DROP, Addresses, Cut, Helper, Links, Network, Reset, Shape
from chaos.targets.process import container_env, programs
from chaos.targets.process.capabilities.clock import Clock
from chaos.targets.process.capabilities.deploy import Deploy
from chaos.targets.process.capabilities.disks import Fill
from chaos.targets.process.capabilities.ends import Kill, Restart, Stop
from chaos.targets.process.capabilities.inside import Exec, Host
from chaos.targets.process.capabilities.limits import Cpu, Leak, Memory
from chaos.targets.process.capabilities.names import Hide
from chaos.targets.process.capabilities.pause import Pause
from chaos.targets.process.isolation import UNPRIVILEGED
from chaos.targets.process.nodes import Nodes
from chaos.targets.rows import Power, Tell, healed, left
from chaos.targets.startup import Standing, until_healthy

HEALTH_EVERY = 0.15  # seconds
ASKS_WITHIN = 5.0  # seconds that a network check may take


class Process(Target):
    """The embedded target.

    `log_dir` gets a file NODE.log for each node started. `progress` receives messages during `up`. `within` is how long
    a node may take to become healthy, in seconds.
    """

    name: ClassVar[str] = "process"
    kept_in: ClassVar[str] = (
        "a box: they read the system's programs and the stack's folder, and write to places of their own"
    )

    def __init__(
        self,
        stack: Stack,
        log_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        within: float = 30.0,
    ) -> None:
        self.stack, self._progress, self.within = stack, progress, within
        self.processes = nodes = Nodes(stack, log_dir)
        self.limits = limits = Limits(lambda: nodes.namespaces, nodes.common, nodes.log_file)
        self.names = names = Names(lambda: nodes.namespaces, nodes.common)
        nodes.lasting = (limits.again, names.again)
        addresses = {n: {"": s.address} for n, s in nodes.services.items() if s.address}

        async def fixed() -> Addresses:
            return addresses

        self.network = Network(Helper(Pipe), fixed, bridged=False)
        links = Links(self.network, nodes.all, self._ask_from)
        cut, kill, deploy, inside = Cut(links), Kill(nodes), Deploy(nodes), Exec(nodes)
        self._can = Table(
            able.STARVE.by(Cpu(nodes, limits)),
            able.SQUEEZE.by(Memory(nodes, limits)),
            able.LEAK.by(Leak(nodes, limits)),
            able.HIDE.by(Hide(nodes, names)),
            able.FILL.by(Fill(nodes)),
            able.CUT.by(cut),
            able.SHAPE.by(Shape(links)),
            able.RESET.by(Reset(links)),
            able.PAUSE.by(Pause(nodes, limits)),
            able.DEPLOY.by(deploy),
            able.SKEW.by(Clock(nodes)),
            able.KILL.by(kill),
            able.STOP.by(Stop(nodes)),
            able.RESTART.by(Restart(nodes)),
            able.POWER.by(Power(cut, kill, f"{DROP}; then SIGKILL to the first process of each node's pid namespace")),
            able.EXEC.by(inside),
            able.TELL.by(Tell(deploy, inside, f"{Deploy.backend}, and its answer to a command")),
            able.HOST.by(Host(nodes)),
        )

    @property
    def left_out(self) -> Sequence[str]:
        """Messages about services that do not run here."""
        return self.processes.left_out

    @property
    def can(self) -> Table:
        return self._can

    def nodes(self) -> Sequence[Node]:
        return self.processes.all()

    async def up(self) -> None:
        nodes = self.processes
        for line in nodes.left_out:
            self._progress(line)
        for name, service in nodes.services.items():
            if missing := nodes.missing(service):
                where = f"{self.stack.path}: services.{name}.command"
                raise TargetError(f"{where}: {missing}; install it, or label the service chaos.optional")
        await nodes.prepare()
        started = 0
        for wave in container_env.waves(nodes.services):
            started += len(wave)
            self._progress(f"starting {started} of {len(nodes.services)}")
            await nodes.start([nodes.services[name].node for name in wave])
        await until_healthy(self, lambda node: self.within, HEALTH_EVERY, self._progress)

    async def down(self) -> None:
        namespaces = self.processes.namespaces
        await self.processes.end(list(namespaces.groups()))
        await self.network.clear()
        namespaces.drop_files()
        shutil.rmtree(namespaces.folder / "nodes", ignore_errors=True)
        await self.network.close()

    async def heal(self) -> None:
        await healed((), self.can)

    async def residue(self) -> Sequence[str]:
        return await left(self.can)

    async def running(self, node: Node) -> bool:
        return await self.processes.running(node)

    async def healthy(self, node: Node) -> bool:
        return await self.processes.healthy(node)

    async def standing(self, node: Node) -> Standing:
        running = await self.running(node)
        return Standing(running, "still running" if running else f"exited {self.processes.exit_code(node.name)}")

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]:
        return programs.tail(self.processes.log_file(node.name), lines)

    async def full_log(self, node: Node) -> str:
        return str(self.processes.log_file(node.name))

    async def _ask_from(self, names: Sequence[str], program: str, argv: Sequence[str]) -> str:
        root = next((root for root in map(self.processes.root, names) if root), None)
        if names and root is None:
            raise TargetError(f"none of {', '.join(names)} is running, so nothing can be measured from there")
        enter = ["nsenter", f"--target={root.pid}", "--net", *UNPRIVILEGED] if root else []
        look = [*enter, sys.executable, "-I", "-S", program, *argv]
        code, said = await programs.run(look, self.processes.common(), ASKS_WITHIN, "a look at the network")
        if code:
            raise TargetError(f"packets could not be timed: {said.strip()[-300:]}")
        return said


def make(stack: Stack, log_dir: Path | None, tell: Callable[[str], None]) -> Target:
    return Process(stack, log_dir, tell)
