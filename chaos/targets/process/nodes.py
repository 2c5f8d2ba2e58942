"""The services of a stack as processes of the box: started, found, signalled and ended."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from chaos.errors import TargetError
from chaos.experiment.service import Service
from chaos.experiment.stack import USERS, Stack
from chaos.model import Node
from chaos.targets import procfs
from chaos.targets.box import box, disks
from chaos.targets.process import container_env, programs
from chaos.targets.process.isolation import Namespaces, carried, exit_file, node_folder, node_home, read_json
from chaos.targets.startup import together
from chaos.waiting import comes_true

STOP_GRACE = 3.0  # seconds between SIGTERM and SIGKILL when a node gets another configuration
ENDS_WITHIN = 10.0  # seconds that a signal may take to end a node
HEALTH_TIMEOUT = 3.0  # seconds
INTERNET, INTERNET_ADDRESS = USERS, "10.77.9.1"
SETTINGS = ("deployed.json", "skewed.json")  # files of a node with additional variables; later ones take precedence


class Nodes:
    """All state is kept by the kernel and in small files on the box's file system, so that any process finds it.

    `log_dir` gets a file NODE.log for each node started. `lasting` applies, by node name, the faults that are in force
    to a node that starts.
    """

    def __init__(self, stack: Stack, log_dir: Path | None) -> None:
        self.stack = stack
        self._log_dir = log_dir.resolve() if log_dir else None
        self.path = container_env.search_path(sys.prefix, os.environ.get("PATH", ""))
        self.services, self.left_out = self._chosen()
        self.lasting: Sequence[Callable[[str], Awaitable[None]]] = ()
        self._found: Namespaces | None = None
        self._roots: dict[str, procfs.Proc] = {}  # where nodes were last found, which saves a scan of all processes

    def _chosen(self) -> tuple[Mapping[str, Service], Sequence[str]]:
        """The services that run here, and messages about those that do not."""
        services, left_out = {}, []
        for name, service in sorted(self.stack.services.items()):
            if reason := service.optional and self.missing(service):
                left_out.append(f"{name} is left out: {reason}")
            else:
                services[name] = service
        return services, left_out

    def missing(self, service: Service) -> str:
        """Which program of the service is missing on this machine, as text; empty if none."""
        found = shutil.which(service.command[0], path=self.path)
        return "" if found else f"there is no program {service.command[0]!r} on PATH"

    @property
    def namespaces(self) -> Namespaces:
        """Created when first needed, so that planning does not touch anything."""
        if self._found is None:
            if not box.inside():
                raise TargetError("this process is not inside a box; enter one with chaos.targets.box.box.run_inside")
            self._found = Namespaces()
        return self._found

    def all(self) -> Sequence[Node]:
        return tuple(sorted(s.node for s in self.services.values()))

    def known(self) -> Sequence[Node]:
        """The nodes that were ever started here; others are not down."""
        return [n for n in self.all() if self.folder(n.name).exists()]

    def folder(self, name: str) -> Path:
        return node_folder(self.namespaces.folder, name)

    def volumes(self, node: Node) -> Sequence[Path]:
        home = node_home(self.namespaces.folder, node.name)
        return [Path(f"{home}{volume}") for volume in self.services[node.name].volumes]

    def addresses(self) -> Mapping[str, str]:
        """The address of every node, as the nodes see it."""
        found = {}
        for name, service in self.services.items():
            if service.address is None:
                raise TargetError(
                    f"{self.stack.path}: services.{name}.networks: no ipv4_address; the embedded target needs one"
                )
            found[name] = service.address
        return found

    def common(self) -> Mapping[str, str]:
        """The environment of all nodes."""
        passed_on = {k: v for k, v in os.environ.items() if k in container_env.PASSED_ON}
        return {**passed_on, "PATH": self.path, "PYTHONUNBUFFERED": "1"}

    # -- logs

    def log_file(self, name: str) -> Path:
        """The file that the node writes to now, as decided when it was started."""
        kept = self.folder(name) / "log"
        return Path(kept.read_text(encoding="utf-8")) if kept.exists() else self._new_log(name)

    def _new_log(self, name: str) -> Path:
        return (self._log_dir or self.namespaces.folder / "logs") / f"{name}.log"

    def exit_code(self, name: str) -> int:
        """Exit code of the node's command; 137 if its first process was killed before it could write one."""
        try:
            return int(exit_file(self.namespaces.folder, name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return 128 + signal.SIGKILL

    # -- start

    async def prepare(self) -> None:
        await asyncio.to_thread(self.namespaces.prepare, {**self.addresses(), INTERNET: INTERNET_ADDRESS})

    async def start(self, nodes: Sequence[Node]) -> None:
        """Start nodes. Idempotent; does not wait for health."""
        await self.prepare()
        groups = self.namespaces.groups()
        await together(self._begin(node.name) for node in nodes if node.name not in groups)

    async def _begin(self, name: str) -> None:
        try:
            await self._launch(name)
        except TargetError as e:
            raise TargetError(f"{name} could not be started: {e}") from e
        except OSError as e:  # no space, or a folder of another user, whose files the box cannot change
            raise TargetError(f"{name} could not be started: {e.filename or 'its files'}: {e.strerror}") from e

    async def _launch(self, name: str) -> None:
        service, namespaces = self.services[name], self.namespaces
        folder, home = self.folder(name), node_home(namespaces.folder, name)
        volumes = self.volumes(service.node)
        for place in (folder, home, home / "tmp", *volumes):
            place.mkdir(parents=True, exist_ok=True)
        for volume in volumes:
            disks.make(volume)
        log = self._new_log(name)
        (folder / "log").write_text(str(log), encoding="utf-8")
        await programs.launch(namespaces.control, self.started(name, self._program(name, service.command), log))
        for lay in self.lasting:
            await lay(name)

    def started(
        self,
        name: str,
        program: container_env.Program,
        log: Path,
        run: Path | None = None,
        shown: Sequence[Path] = (),
    ) -> programs.Start:
        """What is needed to start a root, or a load that writes into the folder `run` and also reads `shown`."""
        namespaces, cwd = self.namespaces, self.stack.root
        words, env = carried(program, self.path)
        argv = namespaces.root_argv(name, cwd, words)
        complaints, code = self.folder(name) / "complaints", exit_file(namespaces.folder, name)
        view = functools.partial(namespaces.view, name, cwd, self.path, run, shown)
        return programs.Start(argv, env, str(cwd), log, complaints, code, view)

    def _program(self, name: str, command: Sequence[str]) -> container_env.Program:
        extra: dict[str, str] = {}
        for file in SETTINGS:
            extra |= read_json(self.folder(name) / file)
        folder = node_home(self.namespaces.folder, name)
        return container_env.program(self.services[name], command, extra, self.common(), folder)

    # -- end

    async def signal(self, nodes: Sequence[Node], number: signal.Signals, within: float = ENDS_WITHIN) -> bool:
        """Signal every process of the nodes; returns whether all nodes ended within that many seconds."""
        groups = self.namespaces.groups()
        told = [groups[n.name] for n in nodes if n.name in groups]
        procfs.send((p for group in told for p in group.members), number)
        return await self._ended([group.root for group in told], within)

    async def stop(self, nodes: Sequence[Node], grace: float) -> None:
        if not await self.signal(nodes, signal.SIGTERM, grace):
            await self.end([n.name for n in nodes])

    async def end(self, names: Sequence[str]) -> None:
        """SIGKILL all at once; returns when all of their processes are gone."""
        groups = self.namespaces.groups()
        roots = [groups[name].root for name in names if name in groups]
        procfs.send(roots, signal.SIGKILL)
        if not await self._ended(roots, ENDS_WITHIN):
            left = next(p.pid for p in roots if procfs.alive(p))
            raise TargetError(f"process {left} did not end within {ENDS_WITHIN:g} s of SIGKILL")

    async def _ended(self, roots: Sequence[procfs.Proc], within: float) -> bool:
        async def ended() -> bool:
            return not any(map(procfs.alive, roots))

        return await comes_true(ended, within, every=0.005)

    async def again(self, node: Node) -> None:
        """Stop and start a node for another configuration."""
        await self.stop([node], STOP_GRACE)
        await self.start([node])

    # -- state

    def root(self, name: str) -> procfs.Proc | None:
        """The node's root, None if the node is not running."""
        root = self._roots.get(name)
        if root is None or not procfs.alive(root):
            self._roots = {name: group.root for name, group in self.namespaces.groups().items()}
            root = self._roots.get(name)
        return root

    def members(self, nodes: Sequence[Node]) -> list[procfs.Proc]:
        groups = self.namespaces.groups()
        return [p for n in nodes if n.name in groups for p in groups[n.name].members]

    async def running(self, node: Node) -> bool:
        return self.root(node.name) is not None

    async def healthy(self, node: Node) -> bool:
        check = self.services[node.name].healthcheck
        if check is None:
            return await self.running(node)
        try:
            return (await self.exec(node, check, HEALTH_TIMEOUT))[0] == 0
        except TargetError:
            return False

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        if (root := self.root(node.name)) is None:
            raise TargetError(f"{node.name}: not running, so {command[0]} can not run in it")
        words, env = carried(self._program(node.name, command), self.path)
        argv = self.namespaces.exec_argv(root, self.stack.root, words)
        return await programs.run(argv, env, timeout, f"{node.name}: {' '.join(command)}")
