"""The capabilities of targets, with their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from chaos.model import Node
from chaos.protocols.links import Link, Quality, RoundTrips, Traffic
from chaos.protocols.table import Capability, Key


class Starting(Capability, Protocol):
    """Base of capabilities that end nodes, and therefore have to start them again."""

    async def start(self, nodes: Sequence[Node]) -> None: ...  # idempotent; does not wait for health
    async def running(self, node: Node) -> bool: ...


class Killing(Starting, Protocol):
    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None: ...  # ends every process of each node


class Stopping(Starting, Protocol):
    async def stop(self, nodes: Sequence[Node], grace: float) -> None: ...  # SIGTERM; SIGKILL after `grace` seconds


class Restarting(Starting, Protocol):
    """The processes before the restart are noted first, so that any process can tell whether other ones run now."""

    async def restart(self, nodes: Sequence[Node], grace: float) -> None: ...  # stop and start; not until healthy
    async def restarted(self, node: Node) -> bool: ...  # it runs, with other processes than the noted ones
    async def forget_restart(self, nodes: Sequence[Node]) -> None: ...  # idempotent


class Pausing(Capability, Protocol):
    async def pause(self, nodes: Sequence[Node]) -> None: ...  # SIGSTOP or freezer, every process of each node
    async def resume(self, nodes: Sequence[Node]) -> None: ...
    async def paused(self, node: Node) -> bool: ...


class Starving(Capability, Protocol):
    """A limit applies to whatever runs in the node, also after a restart, until `feed`."""

    async def starve(self, nodes: Sequence[Node], share: float) -> None: ...  # of one core, all processes together
    async def feed(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def share(self, node: Node) -> float | None: ...  # its limit as a share of one core; None: no limit
    async def starved(self, node: Node) -> bool: ...  # it needs more than it gets; CannotLook; takes up to a second


class Squeezing(Capability, Protocol):
    """As Starving, for memory. A node that needs more loses its biggest process."""

    async def squeeze(self, nodes: Sequence[Node], limit: int) -> None: ...  # bytes, all processes together
    async def release(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def squeezed(self, node: Node) -> int | None: ...  # the limit in force, bytes; None if there is none


class Leaking(Starting, Protocol):
    """Memory that belongs to the node but to no service, growing by `rate` bytes a second up to `limit` bytes for the
    node.
    """

    async def leak(self, nodes: Sequence[Node], rate: int, limit: int) -> None: ...
    async def seal(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def leaks(self, node: Node) -> bool: ...  # the leak is growing, or the node has ended because of it


class Linked(Capability, Protocol):
    """Faults of links are identified by their requester, so that overlapping ones heal in any order. Each call is one
    transaction.
    """

    async def traffic(self, by: str, link: Link) -> Traffic | None: ...  # by kernel and helper; None: no fault
    async def round_trips(self, link: Link) -> RoundTrips: ...  # from one node of `b` to one of `a` and back


class Cutting(Linked, Protocol):
    """All packets are dropped."""

    async def cut(self, by: str, links: Sequence[Link]) -> None: ...
    async def join(self, by: str, links: Sequence[Link]) -> None: ...
    async def is_cut(self, link: Link) -> bool: ...  # according to the kernel, not to our own memory


class Shaping(Linked, Protocol):
    """Links with impaired packets; qualities of several requesters on one link add up."""

    async def shape(self, by: str, links: Sequence[Link], quality: Quality) -> None: ...
    async def unshape(self, by: str, links: Sequence[Link]) -> None: ...


class Powering(Starting, Protocol):
    """Power loss: the link goes down, then the processes are killed."""

    async def off(self, nodes: Sequence[Node]) -> None: ...
    async def on(self, nodes: Sequence[Node]) -> None: ...  # idempotent; each can come back separately
    async def dark(self, node: Node) -> bool: ...  # whether its link is down, running or not


class Hiding(Capability, Protocol):
    """Look-ups without answers, for whatever runs in the node, also after a restart."""

    async def hide_names(self, nodes: Sequence[Node]) -> None: ...
    async def show_names(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def resolves(self, node: Node) -> bool: ...  # a look-up from its network is answered; CannotLook; up to 3 s


class Filling(Capability, Protocol):
    """Fills a node's volumes, but never the host's disk. Also after a restart, until `drain`."""

    async def fill(self, nodes: Sequence[Node]) -> None: ...  # refused for a node without a volume that can be filled
    async def drain(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def full(self, node: Node) -> bool: ...  # a write in the node fails with ENOSPC, on each of its volumes


class Deploying(Capability, Protocol):
    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None: ...  # restarts it with these added
    async def undeploy(self, node: Node) -> None: ...
    async def deployed(self, node: Node) -> Mapping[str, str]: ...  # as it was requested
    async def environment(self, node: Node) -> Mapping[str, str] | None: ...  # as it runs; None if it does not run
    async def healthy(self, node: Node) -> bool: ...  # whether the next node may be restarted


class Skewing(Capability, Protocol):
    """The wall clock of a node's programs, set at their start; a change restarts the node."""

    async def skew(self, nodes: Sequence[Node], seconds: float) -> None: ...
    async def unskew(self, nodes: Sequence[Node]) -> None: ...  # idempotent
    async def clock(self, node: Node) -> tuple[float, float]: ...  # skew, and its uncertainty, in seconds


class Executing(Capability, Protocol):
    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]: ...


class Telling(Capability, Protocol):
    """Information for a program in a node: passed by its configuration, and confirmed by a command."""

    @property
    def configuration(self) -> Deploying: ...
    @property
    def commands(self) -> Executing: ...


class Hosted(Protocol):
    """A program of the harness among the users: in the stack's network, outside every zone."""

    async def wait(self) -> int: ...  # exit code
    async def stop(self, grace: float = 5.0) -> None: ...  # SIGTERM, then SIGKILL; idempotent


class Hosting(Capability, Protocol):
    # `shown`: folders that the program may read beside the stack's own.
    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted: ...
    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]: ...  # HTTP GET


STARVE: Key[Starving] = Key("cpu", "limit a node's processor")
SQUEEZE: Key[Squeezing] = Key("memory", "limit a node's memory")
LEAK: Key[Leaking] = Key("leak", "leak memory in nodes")
HIDE: Key[Hiding] = Key("names", "stop nodes' name resolution")
FILL: Key[Filling] = Key("disk", "fill nodes' volumes")
CUT: Key[Cutting] = Key("cut", "cut links")
SHAPE: Key[Shaping] = Key("shape", "make links worse")
RESET: Key[Shaping] = Key("reset", "reset connections")
POWER: Key[Powering] = Key("power", "cut links and kill nodes")
PAUSE: Key[Pausing] = Key("pause", "freeze nodes")
DEPLOY: Key[Deploying] = Key("deploy", "roll out configurations")
SKEW: Key[Skewing] = Key("clock", "shift nodes' clocks")
KILL: Key[Killing] = Key("kill", "kill and start nodes")
STOP: Key[Stopping] = Key("stop", "stop and start nodes")
RESTART: Key[Restarting] = Key("restart", "restart nodes")
EXEC: Key[Executing] = Key("exec", "run commands inside nodes")
TELL: Key[Telling] = Key("tell", "roll out configurations and run commands inside nodes")
HOST: Key[Hosting] = Key("host", "run programs among the users")
