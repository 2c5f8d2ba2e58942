"""What network faults have in common: the two sides, and the check that packets are actually affected."""

from __future__ import annotations

import asyncio
import statistics
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Generic, TypeVar

from msgspec import Meta

from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import CUT, SHAPE, Cutting, Linked, Shaping
from chaos.protocols.links import Link, Quality, Traffic

LOOK = 3.0  # seconds within which there has to be traffic on a link to confirm the fault
AGAIN = 0.1  # seconds between two checks
ROUND_TRIP = "round_trip_ms"  # key of the vitals


L = TypeVar("L", bound=Linked)
Others = Annotated[tuple[str, ...], Meta(description="a selector, as under `where`")]


@dataclass(frozen=True, kw_only=True)
class Between:
    """`to`: the other side, a selector as under `where`; everything else if it is left out. `one_way`: not back."""

    to: Others = ()
    one_way: bool = False
    whole: ClassVar[bool] = True  # one fault for all its nodes: it ends for all of them at once
    adds_up: ClassVar[bool] = True  # together with others of its kind on the same nodes

    def links(self, nodes: Sequence[Node]) -> list[Link]:
        """One link, from all of `nodes` together: traffic among them is not affected."""
        here = frozenset(n.name for n in nodes)
        return [Link(here, frozenset(self.to) - here if self.to else None, not self.one_way)]


async def seen(on: Linked, by: str, links: Sequence[Link]) -> Sequence[Traffic] | None:
    """The traffic that met the fault on each link, once all links have some; None if that takes more than LOOK
    seconds.
    """
    end = asyncio.get_running_loop().time() + LOOK
    while True:
        found = await asyncio.gather(*(on.traffic(by, link) for link in links))
        known = [t for t in found if t is not None]
        if len(known) < len(links):
            return None  # the kernel does not have the rule
        if all(t.packets for t in known):
            return known
        if asyncio.get_running_loop().time() > end:
            return None
        await asyncio.sleep(AGAIN)


@dataclass(frozen=True, kw_only=True)
class _Felt(Between, Fault[L], Generic[L]):
    """The checks that cutting and shaping have in common."""

    async def already(self, on: L, nodes: Sequence[Node]) -> bool:
        """Whether the rule exists; no traffic is needed for that."""
        return await self.still(on, nodes)

    async def still(self, on: L, nodes: Sequence[Node]) -> bool:
        """Whether the kernel still has the rule, and the helper its packets.

        That packets meet the rule was confirmed when it was injected. The counters cannot be used here: every change of
        any link resets them, and there may be no traffic on the link by now.
        """
        found = await asyncio.gather(*(on.traffic(repr(self), link) for link in self.links(nodes)))
        return None not in found

    async def vitals(self, on: L, nodes: Sequence[Node]) -> Mapping[str, float]:
        """Of one link."""
        seen = await on.round_trips(self.links(nodes)[0])
        answered = {"answered": round(len(seen.ms) / seen.sent, 3)}
        return {**answered, ROUND_TRIP: round(statistics.median(seen.ms), 3)} if seen.ms else answered


@dataclass(frozen=True, kw_only=True)
class CutFault(_Felt[Cutting]):
    """A fault that blocks all packets."""

    needs = CUT

    async def inject(self, on: Cutting, nodes: Sequence[Node]) -> None:
        await on.cut(repr(self), self.links(nodes))

    async def confirm(self, on: Cutting, nodes: Sequence[Node]) -> bool:
        return await seen(on, repr(self), self.links(nodes)) is not None

    async def heal(self, on: Cutting, nodes: Sequence[Node]) -> None:
        await on.join(repr(self), self.links(nodes))

    async def figures(self, on: Cutting, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = await asyncio.gather(*(on.traffic(repr(self), link) for link in self.links(nodes)))
        return {"packets_dropped": sum(t.packets for t in found if t)}


@dataclass(frozen=True, kw_only=True)
class ShapeFault(_Felt[Shaping]):
    """A fault that lets packets pass, but impairs them."""

    needs = SHAPE

    @abstractmethod
    def quality(self) -> Quality: ...

    @abstractmethod
    def effective(self, traffic: Traffic) -> bool:
        """Whether the observed traffic shows the fault. `traffic` has at least one packet."""

    async def inject(self, on: Shaping, nodes: Sequence[Node]) -> None:
        await on.shape(repr(self), self.links(nodes), self.quality())

    async def confirm(self, on: Shaping, nodes: Sequence[Node]) -> bool:
        end = asyncio.get_running_loop().time() + LOOK
        while found := await seen(on, repr(self), self.links(nodes)):
            if all(map(self.effective, found)):
                return True
            if asyncio.get_running_loop().time() > end:
                break
            await asyncio.sleep(AGAIN)
        return False

    async def heal(self, on: Shaping, nodes: Sequence[Node]) -> None:
        await on.unshape(repr(self), self.links(nodes))

    async def figures(self, on: Shaping, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = [t for link in self.links(nodes) if (t := await on.traffic(repr(self), link))]
        packets = sum(t.packets for t in found)
        held = sum(t.delay_ms * t.packets for t in found)
        return {
            "packets": packets,
            "packets_changed": sum(t.changed for t in found),
            "delay_ms": round(held / packets, 3) if packets else 0.0,
        }
