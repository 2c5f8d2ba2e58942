"""What faults of the network have in common: between whom, and the look whether packets really meet them."""

from __future__ import annotations

import asyncio
import statistics
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.model import Node
from chaos.protocols import CanShape, Fault, Link, Quality, Traffic

LOOK = 3.0  # seconds within which somebody has to use a link, or nobody can say that the fault bites
AGAIN = 0.1  # seconds between two looks


@dataclass(frozen=True, kw_only=True)
class Between:
    """`to`: the other side, a selector as under `where`; everybody else if it is left out. `one_way`: not back."""

    to: tuple[str, ...] = ()
    one_way: bool = False
    whole: ClassVar[bool] = True  # one fault for all its nodes: it ends for all of them at once
    adds_up: ClassVar[bool] = True  # with others of its kind on the same nodes

    def links(self, nodes: Sequence[Node]) -> list[Link]:
        """One link, from all of `nodes` together: what passes among them is not touched."""
        here = frozenset(n.name for n in nodes)
        return [Link(here, frozenset(self.to) - here if self.to else None, not self.one_way)]


async def seen(target: CanShape, by: str, links: Sequence[Link]) -> Sequence[Traffic] | None:
    """What met the fault on each link, once something has on all; None when that does not happen in LOOK seconds."""
    end = asyncio.get_running_loop().time() + LOOK
    while True:
        found = await asyncio.gather(*(target.traffic(by, link) for link in links))
        known = [t for t in found if t is not None]
        if len(known) < len(links):
            return None  # the kernel does not know of it
        if all(t.packets for t in known):
            return known
        if asyncio.get_running_loop().time() > end:
            return None
        await asyncio.sleep(AGAIN)


@dataclass(frozen=True, kw_only=True)
class _Felt(Between, Fault[CanShape]):
    """What cutting and shaping have in common when somebody asks how it goes."""

    needs: ClassVar[type] = CanShape

    async def still(self, target: CanShape, nodes: Sequence[Node]) -> bool:
        """The kernel has the rule, and the helper what it holds. That packets meet it was seen when it began: every
        change of any link counts them anew, and by now the link may be one that nobody uses."""
        found = await asyncio.gather(*(target.traffic(repr(self), link) for link in self.links(nodes)))
        return None not in found

    async def vitals(self, target: CanShape, nodes: Sequence[Node]) -> Mapping[str, float]:
        """Of one link."""
        seen = await target.round_trips(self.links(nodes)[0])
        answered = {"answered": round(len(seen.ms) / seen.sent, 3)}
        return {**answered, "round_trip_ms": round(statistics.median(seen.ms), 3)} if seen.ms else answered


@dataclass(frozen=True, kw_only=True)
class Cutting(_Felt):
    """Nothing passes."""

    backend: ClassVar[str] = "drop"

    async def inject(self, target: CanShape, nodes: Sequence[Node]) -> None:
        await target.cut(repr(self), self.links(nodes))

    async def confirm(self, target: CanShape, nodes: Sequence[Node]) -> bool:
        return await seen(target, repr(self), self.links(nodes)) is not None

    async def heal(self, target: CanShape, nodes: Sequence[Node]) -> None:
        await target.join(repr(self), self.links(nodes))

    async def figures(self, target: CanShape, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = await asyncio.gather(*(target.traffic(repr(self), link) for link in self.links(nodes)))
        return {"packets_dropped": sum(t.packets for t in found if t)}


@dataclass(frozen=True, kw_only=True)
class Shaping(_Felt):
    """Packets pass, and not well."""

    backend: ClassVar[str] = "queue"

    @abstractmethod
    def quality(self) -> Quality: ...

    @abstractmethod
    def bites(self, traffic: Traffic) -> bool:
        """Whether what was seen is what was asked for. `traffic` has at least one packet."""

    async def inject(self, target: CanShape, nodes: Sequence[Node]) -> None:
        await target.shape(repr(self), self.links(nodes), self.quality())

    async def confirm(self, target: CanShape, nodes: Sequence[Node]) -> bool:
        end = asyncio.get_running_loop().time() + LOOK
        while found := await seen(target, repr(self), self.links(nodes)):
            if all(map(self.bites, found)):
                return True
            if asyncio.get_running_loop().time() > end:
                break
            await asyncio.sleep(AGAIN)
        return False

    async def heal(self, target: CanShape, nodes: Sequence[Node]) -> None:
        await target.unshape(repr(self), self.links(nodes))

    async def figures(self, target: CanShape, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = [t for link in self.links(nodes) if (t := await target.traffic(repr(self), link))]
        packets = sum(t.packets for t in found)
        held = sum(t.delay_ms * t.packets for t in found)
        return {
            "packets": packets,
            "packets_changed": sum(t.changed for t in found),
            "delay_ms": round(held / packets, 3) if packets else 0.0,
        }
