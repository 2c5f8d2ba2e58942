"""A target made of dicts, for tests: it implements almost every capability itself, and records what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols import capabilities as c
from chaos.protocols.links import Link, Quality, RoundTrips, Traffic
from chaos.protocols.table import Table
from chaos.targets.rows import Power, Tell


class Memory(
    Target,
    c.Starving, c.Squeezing, c.Leaking, c.Hiding, c.Filling, c.Cutting, c.Shaping, c.Pausing, c.Deploying, c.Skewing,
    c.Killing, c.Stopping, c.Restarting, c.Executing,
):  # fmt: skip
    name: ClassVar[str] = "memory"
    kept_in: ClassVar[str] = ""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = tuple(sorted(nodes))
        self._up: set[str] = set()
        self._paused: set[str] = set()
        self._cuts: list[tuple[str, Link]] = []
        self._shapes: list[tuple[str, Link, Quality]] = []
        self._deployed: dict[str, Mapping[str, str]] = {}
        self._restarted: dict[str, bool] = {}  # set before a restart; true once other processes run
        self._shares: dict[str, float] = {}  # of a core
        self._limits: dict[str, int] = {}  # bytes of memory
        self._nameless: set[str] = set()
        self._full: set[str] = set()
        self._clocks: dict[str, float] = {}  # seconds of skew
        self._leaks: dict[str, int] = {}  # bytes of a node with a leak
        self.executed: list[tuple[str, tuple[str, ...]]] = []  # the operators' commands, in order

    @property
    def can(self) -> Table:
        return Table(
            *(key.by(self) for key in (c.STARVE, c.SQUEEZE, c.LEAK, c.HIDE, c.FILL, c.CUT, c.SHAPE, c.RESET)),
            *(key.by(self) for key in (c.PAUSE, c.DEPLOY, c.SKEW, c.KILL, c.STOP, c.RESTART, c.EXEC)),
            c.POWER.by(Power(self, self)),
            c.TELL.by(Tell(self, self)),
        )

    def nodes(self) -> Sequence[Node]:
        return self._nodes

    async def up(self) -> None:
        self._up = {n.name for n in self._nodes}

    async def down(self) -> None:
        self._up.clear()
        self._forget()

    async def heal(self) -> None:
        self._forget()
        self._up = {n.name for n in self._nodes}

    def _forget(self) -> None:
        self._paused.clear()
        self._cuts.clear()
        self._shapes.clear()
        self._deployed.clear()
        self._restarted.clear()
        self._shares.clear()
        self._limits.clear()
        self._leaks.clear()
        self._nameless.clear()
        self._full.clear()
        self._clocks.clear()

    async def residue(self) -> Sequence[str]:
        return [
            *(f"{n.name} is not running" for n in self._nodes if n.name not in self._up),
            *(f"{name} is paused" for name in sorted(self._paused)),
            *(f"{', '.join(sorted(link.a))} is cut off by {by}" for by, link in self._cuts),
            *(f"{', '.join(sorted(link.a))} is made worse by {by}" for by, link, _ in self._shapes),
            *(f"{name} runs a configuration of an experiment" for name in sorted(self._deployed)),
            *(f"{name} was restarted by an experiment" for name in sorted(self._restarted)),
            *(f"{name} is starved of processor" for name in sorted(self._shares)),
            *(f"{name} has little memory" for name in sorted(self._limits)),
            *(f"{name} leaks memory" for name in sorted(self._leaks)),
            *(f"{name} resolves no names" for name in sorted(self._nameless)),
            *(f"{name} has no room on its volumes" for name in sorted(self._full)),
            *(f"{name} has the wrong time" for name in sorted(self._clocks)),
        ]

    async def healthy(self, node: Node) -> bool:
        return node.name in self._up and node.name not in self._paused

    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]:
        return []

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        self._up -= {n.name for n in nodes}
        self._paused -= {n.name for n in nodes}  # no processes are left to be frozen

    async def start(self, nodes: Sequence[Node]) -> None:
        started = {n.name for n in nodes} - self._up
        self._restarted |= dict.fromkeys(self._restarted.keys() & started, True)
        self._up |= {n.name for n in nodes}

    async def running(self, node: Node) -> bool:
        return node.name in self._up

    async def stop(self, nodes: Sequence[Node], grace: float) -> None:
        await self.kill(nodes, "TERM")

    async def restart(self, nodes: Sequence[Node], grace: float) -> None:
        self._restarted |= {n.name: False for n in nodes}
        await self.stop(nodes, grace)
        await self.start(nodes)

    async def restarted(self, node: Node) -> bool:
        return node.name in self._up and self._restarted.get(node.name, False)

    async def forget_restart(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._restarted.pop(node.name, None)

    async def pause(self, nodes: Sequence[Node]) -> None:
        if dead := [n.name for n in nodes if n.name not in self._up]:
            raise TargetError(f"{', '.join(dead)}: not running, so there is nothing to pause")
        self._paused |= {n.name for n in nodes}

    async def resume(self, nodes: Sequence[Node]) -> None:
        self._paused -= {n.name for n in nodes}

    async def paused(self, node: Node) -> bool:
        return node.name in self._paused

    async def starve(self, nodes: Sequence[Node], share: float) -> None:
        self._shares |= {n.name: share for n in nodes}

    async def feed(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._shares.pop(node.name, None)

    async def share(self, node: Node) -> float | None:
        return self._shares.get(node.name)

    async def starved(self, node: Node) -> bool:
        return node.name in self._shares

    async def squeeze(self, nodes: Sequence[Node], limit: int) -> None:
        self._limits |= {n.name: limit for n in nodes}

    async def release(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._limits.pop(node.name, None)

    async def squeezed(self, node: Node) -> int | None:
        found = [limits[node.name] for limits in (self._limits, self._leaks) if node.name in limits]
        return min(found, default=None)

    async def leak(self, nodes: Sequence[Node], rate: int, limit: int) -> None:
        self._leaks |= {n.name: limit for n in nodes}

    async def seal(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._leaks.pop(node.name, None)

    async def leaks(self, node: Node) -> bool:
        return node.name in self._leaks

    async def hide_names(self, nodes: Sequence[Node]) -> None:
        self._nameless |= {n.name for n in nodes}

    async def show_names(self, nodes: Sequence[Node]) -> None:
        self._nameless -= {n.name for n in nodes}

    async def resolves(self, node: Node) -> bool:
        return node.name not in self._nameless

    async def fill(self, nodes: Sequence[Node]) -> None:
        self._full |= {n.name for n in nodes}

    async def drain(self, nodes: Sequence[Node]) -> None:
        self._full -= {n.name for n in nodes}

    async def full(self, node: Node) -> bool:
        return node.name in self._full

    async def skew(self, nodes: Sequence[Node], seconds: float) -> None:
        self._clocks |= {n.name: seconds for n in nodes}

    async def unskew(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._clocks.pop(node.name, None)

    async def clock(self, node: Node) -> tuple[float, float]:
        return self._clocks.get(node.name, 0.0), 0.0

    async def cut(self, by: str, links: Sequence[Link]) -> None:
        self._cuts += [(by, link) for link in links if (by, link) not in self._cuts]

    async def join(self, by: str, links: Sequence[Link]) -> None:
        self._cuts = [kept for kept in self._cuts if kept not in [(by, link) for link in links]]

    async def is_cut(self, link: Link) -> bool:
        return any(kept == link for _, kept in self._cuts)

    async def shape(self, by: str, links: Sequence[Link], quality: Quality) -> None:
        await self.unshape(by, links)
        self._shapes += [(by, link, quality) for link in links]

    async def unshape(self, by: str, links: Sequence[Link]) -> None:
        self._shapes = [kept for kept in self._shapes if (kept[0], kept[1]) not in [(by, link) for link in links]]

    async def traffic(self, by: str, link: Link) -> Traffic | None:
        """Of a thousand packets that were sent in the meantime."""
        if (by, link) in self._cuts:
            return Traffic(1000)
        for who, there, q in self._shapes:
            if (who, there) == (by, link) and q.http:
                return Traffic(1000, round(1000 * q.http.share), q.http.ms, 1000)
            if (who, there) == (by, link):
                share = 1.0 if q.reset else max(q.loss, q.duplicate, q.reorder, q.corrupt)
                return Traffic(1000, round(1000 * share), max(q.delay_ms, 1.0 if q.rate_kbit else 0.0))
        return None

    async def round_trips(self, link: Link) -> RoundTrips:
        """A millisecond plus the delay of the link's shapes, both ways; each way loses a share."""
        if any(self._meet(there, link) for _, there in self._cuts):
            return RoundTrips(10, [])
        met = [q for _, there, q in self._shapes if self._meet(there, link)]
        through = 1.0
        for quality in met:
            through *= (1 - quality.loss) ** 2
        return RoundTrips(10, [1.0 + 2 * sum(q.delay_ms for q in met)] * round(10 * through))

    def _meet(self, one: Link, other: Link) -> bool:
        return bool(one.a & other.a) and (one.b is None or other.b is None or bool(one.b & other.b))

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        self._deployed[node.name] = dict(environment)
        self._restart(node)

    async def undeploy(self, node: Node) -> None:
        if self._deployed.pop(node.name, None) is not None:
            self._restart(node)

    def _restart(self, node: Node) -> None:
        """As on the other targets: the node runs afterwards, whatever its state was."""
        self._up.add(node.name)
        self._paused.discard(node.name)

    async def deployed(self, node: Node) -> Mapping[str, str]:
        return self._deployed.get(node.name, {})

    async def environment(self, node: Node) -> Mapping[str, str] | None:
        return self._deployed.get(node.name, {}) if node.name in self._up else None

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        """Only records the command; `printenv NAME`, which changes nothing, returns what was deployed."""
        if command[0] == "printenv":
            value = self._deployed.get(node.name, {}).get(command[1])
            return (1, "") if value is None else (0, value)
        self.executed.append((node.name, tuple(command)))
        return 0, ""
