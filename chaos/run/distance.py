"""The network's normal state: applies the latency between zones that the stack declares."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from chaos.errors import ChaosError
from chaos.protocols.capabilities import SHAPE
from chaos.protocols.links import Link, Quality
from chaos.run.stage import Stage


class Distance:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._links: Sequence[Link] = ()  # the links that have the latency

    async def lay(self) -> None:
        stage = self._stage
        if not (ms := stage.plan.between_zones_ms):
            return
        zones: dict[str, set[str]] = {}
        for node in stage.nodes.values():
            zones.setdefault(node.zone, set()).add(node.name)
        pairs = itertools.combinations(sorted(zones), 2)
        links = [Link(frozenset(zones[one]), frozenset(zones[other])) for one, other in pairs]
        await stage.target.can.need(SHAPE).shape("distance", links, Quality(delay_ms=ms))
        self._links = links
        stage.sink.emit("network", "distance", zones=sorted(zones), delay_ms=ms)

    async def check(self) -> None:
        """Record an event if the latency is gone: its helper died, and users met a different network from the planned
        one.
        """
        words = "" if not self._links else await self._why_close()
        if words:
            self._stage.sink.emit("network.lost", "distance", error=words)

    async def _why_close(self) -> str:
        target = self._stage.target
        network = target.can.need(SHAPE)
        try:
            met = await asyncio.gather(*(network.traffic("distance", link) for link in self._links))
        except ChaosError as e:
            return str(e)
        return "" if None not in met else f"{target.name} shows no sign of it any more"
