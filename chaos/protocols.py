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
class CanStop(CanKill, Protocol):
    async def stop(self, nodes: Sequence[Node], grace: float) -> None: ...  # SIGTERM; SIGKILL after `grace` seconds


@runtime_checkable
class CanRestart(CanStop, Protocol):
    """What ran before is noted first, so that any process can tell whether other processes run now."""

    async def restart(self, nodes: Sequence[Node], grace: float) -> None: ...  # stop and start; not until healthy
    async def restarted(self, node: Node) -> bool: ...  # it runs, and not as the processes that were noted
    async def forget_restart(self, nodes: Sequence[Node]) -> None: ...  # idempotent


@runtime_checkable
class CanPause(Target, Protocol):
    async def pause(self, nodes: Sequence[Node]) -> None: ...  # SIGSTOP or freezer, every process of each node
    async def resume(self, nodes: Sequence[Node]) -> None: ...
    async def paused(self, node: Node) -> bool: ...


@runtime_checkable
class CanStarve(Target, Protocol):
    """A limit holds for whatever runs in the node, also after a restart, until `feed`."""

    async def starve(self, nodes: Sequence[Node], share: float) -> None: ...  # of one core, all processes together
    async def feed(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def starved(self, node: Node) -> bool: ...  # it wants more than it gets; takes up to a second


@runtime_checkable
class CanSqueeze(Target, Protocol):
    """As CanStarve: for whatever runs in the node. Who wants more memory loses its biggest process."""

    async def squeeze(self, nodes: Sequence[Node], limit: int) -> None: ...  # bytes, all processes together
    async def release(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def squeezed(self, node: Node) -> int | None: ...  # the limit in force, bytes; None if there is none


@runtime_checkable
class CanLeak(CanKill, Protocol):
    """Memory that is the node's and no service's, taken at `rate` bytes a second; the node has `limit` bytes in all."""

    async def leak(self, nodes: Sequence[Node], rate: int, limit: int) -> None: ...
    async def seal(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def leaks(self, node: Node) -> bool: ...  # what leaked grows, or the node has ended of it


@dataclass(frozen=True)
class Link:
    """What passes from `a` to `b` (and back, where `both`). `b` None: everybody else, host and internet too."""

    a: frozenset[str]  # node names
    b: frozenset[str] | None = None
    both: bool = True


@dataclass(frozen=True)
class Requests:
    """HTTP requests to `a` of a link, and what becomes of a share: held for `ms`, or if that is 0, `status` at once."""

    path: str = "*"  # a glob over the path without its query
    method: str = ""  # any
    port: int = 0  # any
    share: float = 1.0
    status: int = 503  # 0: a reset
    ms: float = 0.0


@dataclass(frozen=True)
class Quality:
    """How a link treats packets. Shares are 0..1; what is 0 is not touched. `reset`: TCP is answered with a reset."""

    delay_ms: float = 0.0  # one way
    jitter_ms: float = 0.0  # more or less than the delay, at most
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0  # overtake what is delayed
    corrupt: float = 0.0
    rate_kbit: float = 0.0  # each way; 0: as fast as it goes
    reset: bool = False
    http: Requests | None = None


@dataclass(frozen=True)
class Traffic:
    """What was seen of a link that is cut or shaped, since that link last changed."""

    packets: int  # that met the fault: dropped where it is cut, handled where it is shaped
    changed: int = 0  # of them lost, doubled, overtaking or corrupted; requests that were hit
    delay_ms: float = 0.0  # that they were really held, on average; requests that were hit
    requests: int = 0  # that were read, hit or not


@dataclass(frozen=True)
class RoundTrips:
    """What became of a few packets, sent over a link all at once; the kernel of the other side answers, no program."""

    sent: int
    ms: Sequence[float]  # of those that were answered within a second, the shortest first


@runtime_checkable
class CanCut(Target, Protocol):
    """Cuts are kept by who asked for them, so that overlapping ones heal in any order. One call, one transaction."""

    async def cut(self, by: str, links: Sequence[Link]) -> None: ...
    async def join(self, by: str, links: Sequence[Link]) -> None: ...
    async def is_cut(self, link: Link) -> bool: ...  # asked of the kernel, not of our own memory


@runtime_checkable
class CanShape(CanCut, Protocol):
    """Links that are worse, kept as cuts are; qualities of several askers on one link add up."""

    async def shape(self, by: str, links: Sequence[Link], quality: Quality) -> None: ...
    async def unshape(self, by: str, links: Sequence[Link]) -> None: ...
    async def traffic(self, by: str, link: Link) -> Traffic | None: ...  # of the kernel and the helper; None: no fault
    async def round_trips(self, link: Link) -> RoundTrips: ...  # from one node of `b` to one of `a` and back


@runtime_checkable
class CanPower(CanCut, CanKill, Protocol):
    """Power loss is a link that goes dark and then processes that are gone."""


@runtime_checkable
class CanForgetNames(Target, Protocol):
    """Look-ups that nobody answers, for whatever runs in the node, also after a restart."""

    async def hide_names(self, nodes: Sequence[Node]) -> None: ...
    async def show_names(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def resolves(self, node: Node) -> bool: ...  # its own name, by a look-up inside it; takes up to 3 s


@runtime_checkable
class CanFill(Target, Protocol):
    """A node's volumes, and never the host's disk. Also after a restart, until `drain`."""

    async def fill(self, nodes: Sequence[Node]) -> None: ...  # refused for a node without a volume that can be filled
    async def drain(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def full(self, node: Node) -> bool: ...  # a write in the node fails with ENOSPC, on each of its volumes


@runtime_checkable
class CanDeploy(Target, Protocol):
    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None: ...  # restarts it with these on top
    async def undeploy(self, node: Node) -> None: ...
    async def deployed(self, node: Node) -> Mapping[str, str]: ...


@runtime_checkable
class CanSkew(Target, Protocol):
    """The wall clock of a node's programs, as they are started; a change restarts the node."""

    async def skew(self, nodes: Sequence[Node], seconds: float) -> None: ...
    async def unskew(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def clock(self, node: Node) -> tuple[float, float]: ...  # how far off, and how unsure that is: seconds


@runtime_checkable
class CanExec(Target, Protocol):
    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]: ...


@runtime_checkable
class CanTell(CanDeploy, CanExec, Protocol):
    """Somebody in a node is told something by its configuration, and says by a command whether he knows."""


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
    ahead: ClassVar[float] = 0.3  # seconds that `still` may take: it is asked so long before the heal

    async def inject(self, target: T_contra, nodes: Sequence[Node]) -> None: ...
    async def confirm(self, target: T_contra, nodes: Sequence[Node]) -> bool: ...  # look, don't touch: does it bite?
    async def heal(self, target: T_contra, nodes: Sequence[Node]) -> None: ...  # idempotent, keeps no state in self

    async def still(self, target: T_contra, nodes: Sequence[Node]) -> bool:
        """Right before the heal: is it in force yet? To be overridden where `confirm` asks for more than that."""
        return await self.confirm(target, nodes)

    async def figures(self, target: T_contra, nodes: Sequence[Node]) -> Mapping[str, float]:
        """What can be measured of its effect while it is there, for the journal; quick, looks and does not touch."""
        return {}

    async def vitals(self, target: T_contra, nodes: Sequence[Node]) -> Mapping[str, float]:
        """How the nodes are, fault or none: the same figures before, during and after. Looks and does not touch."""
        return {}


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

