"""The embedded target: every service a local process, in the box (`Boxed`) or plainly on loopback (`Process`)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols import CanDeploy, CanExec, CanHost, CanPause, CanRestart, CanSkew, Hosted
from chaos.stackfile import Service, Stack
from chaos.targets import census, faketime, httpget, programs, surroundings
from chaos.targets.ground import Ground, exit_file, node_folder, read_json
from chaos.targets.plain import Plain
from chaos.targets.startup import Standing, together, until_healthy

STOP_GRACE = 3.0  # seconds between SIGTERM and SIGKILL where a node is given another configuration
ENDS_WITHIN = 10.0  # seconds a signal may take to end a node
HEALTH_EVERY = 0.15  # seconds
HEALTH_TIMEOUT = 3.0  # seconds
_BOX = "nodes are kept apart only in a box, and `chaos doctor` says why there is none"
INTERNET, INTERNET_ADDRESS = "internet", "10.77.9.1"  # the namespace of the users


class Process(CanRestart, CanPause, CanDeploy, CanSkew, CanExec, CanHost):
    """State is asked of the kernel and of small files on the box's file system, so any process finds it.

    `log_dir` gets a file NODE.log for each node started; `progress` is told in words how `up` goes on; `within` is
    how long a node may take to become healthy, in seconds.
    """

    name: ClassVar[str] = "process"
    lacks: ClassVar[Mapping[str, str]] = {  # what only the box has, by capability
        **dict.fromkeys(("CanCut", "CanShape", "CanPower"), f"plain processes share one network; {_BOX}"),
        "CanFill": f"plain processes share the host's disk, which is not filled; {_BOX}",
        "CanForgetNames": f"plain processes know each other by address only; {_BOX}",
        **dict.fromkeys(("CanStarve", "CanSqueeze", "CanLeak"), f"plain processes have no limits in common; {_BOX}"),
    }

    backends: ClassVar[Mapping[str, str]] = {  # what does it, by capability: for the plan
        "CanKill": "the signal to every process of the node; SIGKILL to its first, and the kernel ends the rest",
        "CanStop": "SIGTERM to every process of the node, SIGKILL after the grace",
        "CanRestart": "SIGTERM to every process of the node, SIGKILL after the grace, then its command again",
        "CanPause": "SIGSTOP to every process of the node",
        "CanDeploy": "the node's command again, with another environment",
        "CanTell": "the node's command again, with another environment, and its own word by a command",
        "CanSkew": "libfaketime by LD_PRELOAD; the node restarts for it",
    }

    def __init__(
        self,
        stack: Stack,
        log_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        within: float = 30.0,
    ) -> None:
        self._stack = stack
        self._log_dir = log_dir.resolve() if log_dir else None
        self._progress = progress
        self._within = within
        self._path = surroundings.search_path(sys.prefix, os.environ.get("PATH", ""))
        self._services, self.left_out = self._chosen(stack)
        self._standing_on: Ground | None = None
        self._roots: dict[str, census.Proc] = {}  # where nodes were last seen: saves a look at every process

    def _chosen(self, stack: Stack) -> tuple[Mapping[str, Service], Sequence[str]]:
        """The services that run here, and in words those that do not."""
        services, left_out = {}, []
        for name, service in sorted(stack.services.items()):
            if reason := service.optional and self._unfit(service):
                left_out.append(f"{name} is left out: {reason}")
            else:
                services[name] = service
        return services, left_out

    def _unfit(self, service: Service) -> str:
        """Why an optional service is not worth starting here, empty where it is."""
        return "without a network of its own it would listen to everybody and find nobody by name"

    def _missing(self, service: Service) -> str:
        found = shutil.which(service.command[0], path=self._path)
        return "" if found else f"there is no program {service.command[0]!r} on PATH"

    def _make_ground(self) -> Ground:
        return Plain()

    @property
    def _ground(self) -> Ground:
        """Found or made when first needed, so that a plan can ask for nodes without touching anything."""
        if self._standing_on is None:
            self._standing_on = self._make_ground()
        return self._standing_on

    def nodes(self) -> Sequence[Node]:
        return tuple(sorted(s.node for s in self._services.values()))

    # -- up and down

    async def up(self) -> None:
        for line in self.left_out:
            self._progress(line)
        for name, service in self._services.items():
            if missing := self._missing(service):
                where = f"{self._stack.path}: services.{name}.command"
                raise TargetError(f"{where}: {missing}; install it, or label the service chaos.optional")
        await self._prepare()
        waves = surroundings.waves(self._services)
        started = 0
        for wave in waves:
            started += len(wave)
            self._progress(f"starting {started} of {len(self._services)}")
            await self.start([self._services[name].node for name in wave])
        await until_healthy(self, self._within, HEALTH_EVERY, self._progress)

    async def _prepare(self) -> None:
        await asyncio.to_thread(self._ground.prepare, {**self._addresses(), INTERNET: INTERNET_ADDRESS})

    def _addresses(self) -> Mapping[str, str]:
        """Every node's address as the nodes themselves see it."""
        found = {}
        for name, service in self._services.items():
            if service.address is None:
                raise TargetError(
                    f"{self._stack.path}: services.{name}.networks: no ipv4_address; the embedded target needs one"
                )
            found[name] = service.address
        return found

    async def standing(self, node: Node) -> Standing:
        running = await self.running(node)
        return Standing(running, "still running" if running else f"exited {self._exit_code(node.name)}")

    async def full_log(self, node: Node) -> str:
        return str(self._log_file(node.name))

    def _exit_code(self, name: str) -> int:
        """What the node's command ended with; its first process is killed before it can say so: 137."""
        try:
            return int(exit_file(self._ground.folder, name).read_text())
        except (FileNotFoundError, ValueError):
            return 128 + signal.SIGKILL

    async def down(self) -> None:
        await self._end(list(self._ground.crews()))
        await self._clear_network()
        self._ground.drop_volumes()
        shutil.rmtree(self._ground.folder / "nodes", ignore_errors=True)
        self._ground.close()
        self._standing_on = None

    async def _clear_network(self) -> None:
        """Plain processes have no network of their own."""

    async def heal(self) -> None:
        await self._clear_network()
        nodes = [n for n in self.nodes() if self._known(n.name)]
        await self.resume(nodes)
        for node in nodes:
            await self.undeploy(node)
        await self.unskew(nodes)
        await self.start(nodes)
        await self.forget_restart(nodes)

    async def residue(self) -> Sequence[str]:
        crews = self._ground.crews()
        known = [n.name for n in self.nodes() if self._known(n.name)]
        return [
            *(f"{name} is not running" for name in known if name not in crews),
            *(f"{name} is paused" for name in known if name in crews and self._paused(name, crews[name])),
            *(f"{name} runs a configuration of an experiment" for name in known if self._deployed(name)),
            *(f"{name} has the wrong time" for name in known if self._skewed(name).exists()),
            *(f"{name} was restarted by an experiment" for name in known if self._before_restart(name).exists()),
        ]

    def _known(self, name: str) -> bool:
        """Whether the node was ever started here; what was never up is not down."""
        return node_folder(self._ground.folder, name).exists()

    async def healthy(self, node: Node) -> bool:
        check = self._services[node.name].healthcheck
        if check is None:
            return await self.running(node)
        try:
            return (await self.exec(node, check, HEALTH_TIMEOUT))[0] == 0
        except TargetError:
            return False

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]:
        return programs.tail(self._log_file(node.name), lines)

    def _log_file(self, name: str) -> Path:
        """Where the node writes now; whoever started it decided that."""
        kept = node_folder(self._ground.folder, name) / "log"
        return Path(kept.read_text()) if kept.exists() else self._new_log(name)

    def _new_log(self, name: str) -> Path:
        return (self._log_dir or self._ground.folder / "logs") / f"{name}.log"

    # -- processes

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        if signal == "KILL":
            return await self._end([n.name for n in nodes])
        await self._ended(self._signal(nodes, _number(signal)), ENDS_WITHIN)
        return None

    async def stop(self, nodes: Sequence[Node], grace: float) -> None:
        if not await self._ended(self._signal(nodes, signal.SIGTERM), grace):
            await self._end([n.name for n in nodes])

    def _signal(self, nodes: Sequence[Node], number: signal.Signals) -> Sequence[census.Proc]:
        """Tell every process of the nodes; returns the nodes' roots."""
        crews = self._ground.crews()
        told = [crews[n.name] for n in nodes if n.name in crews]
        census.send((p for crew in told for p in crew.members), number)
        return [crew.root for crew in told]

    async def _end(self, names: Sequence[str], within: float = 10.0) -> None:
        """SIGKILL, all at once; returns when the kernel has nobody left of them."""
        crews = self._ground.crews()
        doomed = {name: crews[name] for name in names if name in crews}
        for crew in doomed.values():
            self._ground.end(crew)
        roots = [crew.root for crew in doomed.values()]
        if not await self._ended(roots, within):
            left = next(p.pid for p in roots if census.alive(p))
            raise TargetError(f"process {left} did not end within {within:g} s of SIGKILL")

    async def _ended(self, roots: Sequence[census.Proc], within: float) -> bool:
        """Whether all have ended within so many seconds."""
        deadline = time.monotonic() + within
        while any(map(census.alive, roots)):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.005)
        return True

    async def start(self, nodes: Sequence[Node]) -> None:
        await self._prepare()
        crews = self._ground.crews()
        await together(self._begin(node.name) for node in nodes if node.name not in crews)

    async def _begin(self, name: str) -> None:
        try:
            await self._launch(name)
        except TargetError as e:
            raise TargetError(f"{name} could not be started: {e}") from e
        except OSError as e:  # no room, or a folder of somebody else, over whose files the box has no power
            raise TargetError(f"{name} could not be started: {e.filename or 'its files'}: {e.strerror}") from e

    async def _launch(self, name: str) -> None:
        service, ground = self._services[name], self._ground
        folder = node_folder(ground.folder, name)
        for place in (folder, folder / "tmp", *(Path(f"{folder}{v}") for v in service.volumes)):
            place.mkdir(parents=True, exist_ok=True)
            ground.give(place)
        for volume in service.volumes:
            ground.own_volume(Path(f"{folder}{volume}"))
        exit_file(ground.folder, name).unlink(missing_ok=True)
        log = self._new_log(name)
        (folder / "log").write_text(str(log))
        program = self._program(name, service.command)
        argv = ground.root_argv(name, self._stack.root, program.argv)
        start = programs.Start(argv, program.env, str(self._stack.root), log, folder / "complaints")
        await programs.launch(ground.control, start)
        await self._lay_on(name)

    async def _lay_on(self, name: str) -> None:
        """What faults have in store for a node that starts while they last."""

    def _program(self, name: str, command: Sequence[str]) -> surroundings.Program:
        service, ground = self._services[name], self._ground
        folder = node_folder(ground.folder, name)
        extra = {**self._deployed(name), **read_json(self._skewed(name))}
        names: Mapping[str, str] = {}
        if not ground.names_resolve:
            names = self._listening()
            extra = {"BIND": names[name], **extra}
        return surroundings.program(service, command, extra, self._common(), folder, names)

    def _listening(self) -> Mapping[str, str]:
        """Every node's address on this ground."""
        return {name: self._ground.address(address) for name, address in self._addresses().items()}

    def _common(self) -> Mapping[str, str]:
        passed_on = {k: v for k, v in os.environ.items() if k in surroundings.PASSED_ON}
        return {**passed_on, "PATH": self._path, "PYTHONUNBUFFERED": "1"}

    async def running(self, node: Node) -> bool:
        return self._root(node.name) is not None

    def _root(self, name: str) -> census.Proc | None:
        root = self._roots.get(name)
        if root is None or not census.alive(root):
            self._roots = {name: crew.root for name, crew in self._ground.crews().items()}
            root = self._roots.get(name)
        return root

    async def restart(self, nodes: Sequence[Node], grace: float) -> None:
        """Noted first: whoever heals after our death knows of a restart that never was, never of less."""
        for node in nodes:
            root = self._root(node.name)
            note = self._before_restart(node.name)
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(f"{root.pid} {root.started}" if root else "")
        await self.stop(nodes, grace)
        await self.start(nodes)

    async def restarted(self, node: Node) -> bool:
        root, note = self._root(node.name), self._before_restart(node.name)
        return root is not None and note.exists() and note.read_text() != f"{root.pid} {root.started}"

    async def forget_restart(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._before_restart(node.name).unlink(missing_ok=True)

    def _before_restart(self, name: str) -> Path:
        """Says which root a restarted node had before."""
        return node_folder(self._ground.folder, name) / "restarted"

    async def pause(self, nodes: Sequence[Node]) -> None:
        if dead := [n.name for n in nodes if self._root(n.name) is None]:
            raise TargetError(f"{', '.join(dead)}: not running, so there is nothing to pause")
        await census.settle(lambda: self._members(nodes), stopped=True)

    async def resume(self, nodes: Sequence[Node]) -> None:
        await census.settle(lambda: self._members(nodes), stopped=False)

    def _members(self, nodes: Sequence[Node]) -> list[census.Proc]:
        crews = self._ground.crews()
        return [p for n in nodes if n.name in crews for p in crews[n.name].members]

    async def paused(self, node: Node) -> bool:
        crew = self._ground.crews().get(node.name)
        return crew is not None and self._paused(node.name, crew)

    def _paused(self, name: str, crew: census.Crew) -> bool:
        return crew.paused

    # -- configuration

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        folder = node_folder(self._ground.folder, node.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "deployed.json").write_text(json.dumps(dict(environment)))
        await self._restart(node)

    async def undeploy(self, node: Node) -> None:
        if self._deployed(node.name):
            (node_folder(self._ground.folder, node.name) / "deployed.json").unlink()
            await self._restart(node)

    async def deployed(self, node: Node) -> Mapping[str, str]:
        return self._deployed(node.name)

    def _deployed(self, name: str) -> dict[str, str]:
        return read_json(node_folder(self._ground.folder, name) / "deployed.json")

    def unfit(self, needs: type, node: Node) -> str:
        """Why a node is none for a capability that this target has; empty where it is one."""
        return faketime.MISSING if needs is CanSkew and faketime.find() is None else ""

    async def skew(self, nodes: Sequence[Node], seconds: float) -> None:
        if (library := faketime.find()) is None:
            raise TargetError(faketime.MISSING)
        for node in nodes:
            self._skewed(node.name).parent.mkdir(parents=True, exist_ok=True)
            self._skewed(node.name).write_text(json.dumps(faketime.environment(library, seconds)))
            await self._restart(node)

    async def unskew(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if self._skewed(node.name).exists():
                self._skewed(node.name).unlink()
                await self._restart(node)

    async def clock(self, node: Node) -> tuple[float, float]:
        """No word of the node's own program: only whether it has the library, and what a program beside it reads."""
        before = time.time()
        code, said = await self.exec(node, ["date", "+%s.%N"])
        after = time.time()
        loaded = any("faketime" in surroundings.mapped(p.pid) for p in self._members([node]))
        off = float(said) - (before + after) / 2 if code == 0 and loaded else 0.0
        return off, (after - before) / 2

    def _skewed(self, name: str) -> Path:
        """Variables that make a node's clock wrong."""
        return node_folder(self._ground.folder, name) / "skewed.json"

    async def _restart(self, node: Node) -> None:
        await self.stop([node], STOP_GRACE)
        await self.start([node])

    # -- inside a node, and among the users

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        root = self._root(node.name)
        if root is None:
            raise TargetError(f"{node.name}: not running, so {command[0]} can not run in it")
        program = self._program(node.name, command)
        argv = self._ground.exec_argv(root, self._stack.root, program.argv)
        return await programs.run(argv, program.env, timeout, f"{node.name}: {' '.join(command)}")

    async def host(self, command: Sequence[str], run_dir: Path, log: str) -> Hosted:
        """Run a program in the users' network; it ends with this process. Where names do not resolve, the file
        CHAOS_HOSTS of its environment has the addresses."""
        await self._prepare()
        ground, cwd = self._ground, self._stack.root
        ours = {k: v for k, v in os.environ.items() if not k.startswith("CHAOS_BOX")}
        env = {**ours, "PATH": self._path, "CHAOS_HOSTS": str(ground.folder / "hosts")}
        if not ground.names_resolve:
            names = self._listening()
            command = [surroundings.own_names(word, names) for word in command]
        folder = node_folder(ground.folder, INTERNET)
        folder.mkdir(parents=True, exist_ok=True)
        argv = ground.root_argv(INTERNET, cwd, command, ours=True)
        start = programs.Start(argv, env, str(cwd), run_dir.resolve() / "logs" / log, folder / "complaints")
        return await programs.Guest.begin(ground.control.branch(), start)

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        return await httpget.get(self._listening()[node], port, path, timeout, node)


def _number(name: str) -> signal.Signals:
    try:
        return signal.Signals[f"SIG{name.removeprefix('SIG')}"]
    except KeyError:
        raise TargetError(f"no signal called {name!r}; expected something like KILL, TERM or SEGV") from None
