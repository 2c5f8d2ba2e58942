"""Commands inside nodes, programs in the users' network, and requests from there to nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chaos.model import Node
from chaos.protocols.capabilities import Executing, Hosted, Hosting
from chaos.targets import httpget
from chaos.targets.process import container_env, programs
from chaos.targets.process.isolation import node_home
from chaos.targets.process.nodes import INTERNET, Nodes


class Exec(Executing):
    backend = "the command in the node's namespaces"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        return await self._nodes.exec(node, command, timeout)


class Host(Hosting):
    backend = "a process of the box in a network of its own, which ends with the harness"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        """Run a program in the users' network; it ends with this process.

        The environment variable CHAOS_HOSTS names a file with the nodes' addresses.
        """
        await self._nodes.prepare()
        namespaces, run_dir = self._nodes.namespaces, run_dir.resolve()
        home = node_home(namespaces.folder, INTERNET)
        env = {**self._nodes.common(), "HOME": str(home), "TMPDIR": f"{home}/tmp", "CHAOS_HOSTS": "/etc/hosts"}
        for place in (self._nodes.folder(INTERNET), home / "tmp"):
            place.mkdir(parents=True, exist_ok=True)
        program = container_env.Program(tuple(command), env)
        start = self._nodes.started(INTERNET, program, run_dir / "logs" / log, run_dir, shown)
        return await programs.HostedProcess.begin(namespaces.control.branch(), start)

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        return await httpget.get(self._nodes.addresses()[node], port, path, timeout, node)
