"""The seams. Types only: nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from chaos.journal import Journal
from chaos.model import Finding, Node

T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol):
    """Where everything that happens goes."""

    def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None: ...


@runtime_checkable
class Target(Protocol):
    """A running system. Every method may raise TargetError."""

    name: ClassVar[str]

    def nodes(self) -> Sequence[Node]: ...
    async def up(self) -> None: ...  # start what is not running; returns when every node is healthy
    async def down(self) -> None: ...  # end everything this target started; idempotent
    async def heal(self) -> None: ...  # undo every fault anyone ever injected; idempotent; works from a fresh process
    async def residue(self) -> Sequence[str]: ...  # what a fault has left behind, in words; empty means clean
    async def healthy(self, node: Node) -> bool: ...  # its own health check passes, now
    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]: ...  # the node's last output


@runtime_checkable
class CanKill(Target, Protocol):
    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None: ...  # every process of each node
    async def start(self, nodes: Sequence[Node]) -> None: ...  # idempotent; does not wait for health
    async def running(self, node: Node) -> bool: ...


@runtime_checkable
class CanPause(Target, Protocol):
    async def pause(self, nodes: Sequence[Node]) -> None: ...  # SIGSTOP or freezer, every process of each node
    async def resume(self, nodes: Sequence[Node]) -> None: ...
    async def paused(self, node: Node) -> bool: ...


@dataclass(frozen=True)
class Cut:
    """No packet passes from `a` to `b` (nor back, where `both`). `b` None: everybody else, host and internet too."""

    a: frozenset[str]  # node names
    b: frozenset[str] | None = None
    both: bool = True


@runtime_checkable
class CanCut(Target, Protocol):
    """Cuts are kept by who asked for them, so that overlapping ones heal in any order. One call, one transaction."""

    async def cut(self, by: str, cuts: Sequence[Cut]) -> None: ...
    async def join(self, by: str, cuts: Sequence[Cut]) -> None: ...
    async def is_cut(self, cut: Cut) -> bool: ...  # asked of the kernel, not of our own memory


@runtime_checkable
class CanPower(CanCut, CanKill, Protocol):
    """Power loss is a link that goes dark and then processes that are gone."""


@runtime_checkable
class CanDeploy(Target, Protocol):
    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None: ...  # restarts it with these on top
    async def undeploy(self, node: Node) -> None: ...
    async def deployed(self, node: Node) -> Mapping[str, str]: ...


@runtime_checkable
class CanExec(Target, Protocol):
    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]: ...


class Hosted(Protocol):
    """A program of ours that runs among the users: in the stack's network, outside every zone."""

    async def wait(self) -> int: ...  # exit code
    async def stop(self, grace: float = 5.0) -> None: ...  # SIGTERM, then SIGKILL; idempotent


@runtime_checkable
class CanHost(Target, Protocol):
    async def host(self, command: Sequence[str], run_dir: Path, log: str) -> Hosted: ...
    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]: ...  # HTTP GET


class Fault(Protocol[T_contra]):
    """`needs` is the one capability it asks of a target: checked while planning, before anything is touched."""

    needs: ClassVar[type]

    async def inject(self, target: T_contra, nodes: Sequence[Node]) -> None: ...
    async def confirm(self, target: T_contra, nodes: Sequence[Node]) -> bool: ...  # look, don't touch: does it bite?
    async def heal(self, target: T_contra, nodes: Sequence[Node]) -> None: ...  # idempotent, keeps no state in self


class Probe(Protocol):
    name: str
    every: float  # seconds

    async def sample(self) -> Mapping[str, float]: ...


class Load(Protocol):
    """Users. `t0` is on CLOCK_MONOTONIC (the event loop's clock), seconds; every method may raise ChaosError."""

    lead: float  # seconds that `start` wants before its first arrival is due

    async def prepare(self) -> None: ...  # accounts and tokens, before anybody is watched
    async def start(self, t0: float, until: float) -> None: ...  # arrivals from the steady phase on to t0 + until
    def success(self, seconds: float) -> Mapping[str, tuple[int, int]]: ...  # journey: (ok, all), lately
    async def drain(self) -> None: ...  # returns when the last operation has ended
    async def readback(self) -> None: ...  # read everything back, as `op: readback` lines
    async def stop(self) -> None: ...  # now; idempotent


class Checker(Protocol):
    def check(self, journal: Journal) -> Finding: ...  # pure; evidence names lines

