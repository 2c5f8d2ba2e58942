"""The embedded target in the box, where every node has a network of its own and so can be cut off."""

from __future__ import annotations

import asyncio
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols import (
    CanFill,
    CanForgetNames,
    CanLeak,
    CanPower,
    CanSqueeze,
    CanStarve,
)
from chaos.stackfile import Service, Stack
from chaos.targets import box, boxed_disks, boxed_limits, census, programs
from chaos.targets.boxed_limits import Limits
from chaos.targets.boxed_names import Names
from chaos.targets.ground import UNPRIVILEGED, Ground, Namespaces, node_folder
from chaos.targets.network import BACKENDS, Helper, Network, Networked
from chaos.targets.process import Process
from chaos.targets.surroundings import lookup

ASKS_WITHIN = 5.0  # seconds a look at the network may take
SPIN = ("timeout", "0.5", "sh", "-c", "while :; do :; done")  # wants a whole core


class Boxed(Networked, Process, CanPower, CanStarve, CanSqueeze, CanLeak, CanForgetNames, CanFill):
    name: ClassVar[str] = "process"
    lacks: ClassVar[Mapping[str, str]] = {}
    backends: ClassVar[Mapping[str, str]] = {
        **Process.backends,
        **BACKENDS,
        "CanPower": f"{BACKENDS['drop']}; then SIGKILL to the first process of each node's pid namespace",
        "CanStarve": "a limiter in the node's pid namespace: SIGSTOP for the rest of each 100 ms, its share spent",
        "CanSqueeze": "a limiter in the node's pid namespace: SIGKILL to the biggest process above the limit",
        "CanLeak": "a limiter in the node's pid namespace that takes memory, SIGKILL to the biggest process",
        "CanForgetNames": "an empty hosts file and a name server that swallows look-ups, mounted over the node's own",
        "CanFill": "the size of the volume's own tmpfs, set to what it holds",
    }

    def __init__(
        self,
        stack: Stack,
        log_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        within: float = 30.0,
    ) -> None:
        super().__init__(stack, log_dir, progress, within)
        addresses = {n: s.address for n, s in self._services.items() if s.address}
        self._network = Network(Helper(_Pipe), addresses, bridged=False)

    def _make_ground(self) -> Ground:
        if box.inside() != "box":
            raise TargetError("this is not the inside of a box; enter one with chaos.targets.box.run_inside")
        return Namespaces()

    def _unfit(self, service: Service) -> str:
        return self._missing(service)

    async def down(self) -> None:
        await super().down()
        await self._network.close()

    async def residue(self) -> Sequence[str]:
        limited = [
            f"{node.name} {boxed_limits.WORDS[kind]}" for node in self.nodes() for kind in self.limits.wanted(node.name)
        ]
        limited += [f"{node.name} resolves no names" for node in self.nodes() if self._names.hidden(node.name)]
        full = [node.name for node in self.nodes() if any(map(boxed_disks.is_small, self._volumes(node)))]
        limited += [f"{name} has no room on its volumes" for name in full]
        return [*await super().residue(), *limited, *await self._network.residue()]

    async def _clear_network(self) -> None:
        await self._network.clear()

    async def _ask_from(self, names: Sequence[str], program: str, argv: Sequence[str]) -> str:
        root = next((root for root in map(self._root, names) if root), None)
        if root is None:
            raise TargetError(f"none of {', '.join(names)} runs, so nobody can ask from there")
        enter = ["nsenter", f"--target={root.pid}", "--net", *UNPRIVILEGED, sys.executable, "-I", "-S", program]
        code, said = await programs.run([*enter, *argv], self._common(), ASKS_WITHIN, "a look at the network")
        if code:
            raise TargetError(f"nobody can say how long packets take: {said.strip()[-300:]}")
        return said

    # -- limits

    @property
    def limits(self) -> Limits:
        return Limits(self._ground, self._common, self._log_file)

    async def _lay_on(self, name: str) -> None:
        if self.limits.wanted(name):
            await self.limits.lay(name)
        if self._names.hidden(name):
            await self._names.lay(name)

    async def _want(self, nodes: Sequence[Node], kind: boxed_limits.Kind, value: object) -> None:
        for node in nodes:
            await self.limits.want(node.name, kind, value)

    async def starve(self, nodes: Sequence[Node], share: float) -> None:
        await self._want(nodes, "cpu", share)

    async def feed(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, "cpu", None)

    async def starved(self, node: Node) -> bool:
        if not await self.running(node):
            return False
        spinning = asyncio.create_task(self.exec(node, SPIN))
        await asyncio.sleep(0.1)
        try:
            return await self.limits.starved(node.name)
        finally:
            await spinning

    async def squeeze(self, nodes: Sequence[Node], limit: int) -> None:
        await self._want(nodes, "memory", limit)

    async def release(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, "memory", None)

    async def squeezed(self, node: Node) -> int | None:
        return self.limits.memory_limit(node.name)

    async def leak(self, nodes: Sequence[Node], rate: int, limit: int) -> None:
        await self._want(nodes, "leak", [rate, limit])

    async def seal(self, nodes: Sequence[Node]) -> None:
        await self._want(nodes, "leak", None)

    async def leaks(self, node: Node) -> bool:
        wanted = self.limits.wanted(node.name).get("leak")
        if wanted is None:
            return False
        before = self.limits.leaked(node.name)
        await asyncio.sleep(0.3)
        if await self.running(node):
            return self.limits.leaked(node.name) > before or before >= wanted[1]
        return self._exit_code(node.name) == 128 + signal.SIGKILL

    @property
    def _names(self) -> Names:
        return Names(self._ground, self._common)

    async def hide_names(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await self._names.hide(node.name)

    async def show_names(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await self._names.show(node.name)

    async def resolves(self, node: Node) -> bool:
        code, _ = await self.exec(node, lookup(node))
        return code == 0

    def unfit(self, needs: type, node: Node) -> str:
        """Why a node is none for a capability that others have; empty where it is one."""
        if needs is CanFill and not self._services[node.name].volumes:
            return "it has no volume that could be filled; give it one under `volumes:`, or leave it out"
        return super().unfit(needs, node)

    def _volumes(self, node: Node) -> Sequence[Path]:
        folder = node_folder(self._ground.folder, node.name)
        return [Path(f"{folder}{volume}") for volume in self._services[node.name].volumes]

    async def fill(self, nodes: Sequence[Node]) -> None:
        if why := [f"{n.name}: {self.unfit(CanFill, n)}" for n in nodes if self.unfit(CanFill, n)]:
            raise TargetError("; ".join(why))
        for node in nodes:
            for place in self._volumes(node):
                boxed_disks.fill(place)

    async def drain(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            for place in self._volumes(node):
                boxed_disks.drain(place)

    async def full(self, node: Node) -> bool:
        root = self._root(node.name)
        return all(boxed_disks.is_full(place, root) for place in self._volumes(node))

    async def pause(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await self.limits.hold(node.name)
        await super().pause(nodes)

    async def resume(self, nodes: Sequence[Node]) -> None:
        await super().resume(nodes)
        for node in nodes:
            self.limits.let_go(node.name)

    def _paused(self, name: str, crew: census.Crew) -> bool:
        return self.limits.paused(name, crew)

    async def heal(self) -> None:
        for node in self.nodes():
            for kind in self.limits.wanted(node.name):
                await self.limits.want(node.name, kind, None)
        await self.show_names(self.nodes())
        await self.drain(self.nodes())
        await super().heal()


class _Pipe:
    """The helper as a process of the box, which ends with us."""

    def __init__(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the helper lasts)
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "chaos.helper"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, bufsize=0,
        )  # fmt: skip
        self._heard = b""
        self.close = weakref.finalize(self, _end, self._process, self._complaints)  # idempotent

    @property
    def errors(self) -> bytes:
        self._complaints.seek(0)
        return self._complaints.read()

    def write_line(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")

    def read_line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("no answer in time")
            if not (more := self._process.stdout.read(65536)):
                return b""
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line


def _end(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    with complaints, process:  # closes its input, on which it ends, and waits
        pass


def here(stack: Stack, log_dir: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Process:
    """The embedded target for where this process runs: in the box, or where only plain processes are to be had.

    Outside of any box (while planning) it is the one that a run would get.
    """
    kind = box.inside() or ("plain" if box.available() else "box")
    return (Boxed if kind == "box" else Process)(stack, log_dir, progress)
