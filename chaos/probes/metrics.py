"""Ask every node of a component for one of its own metrics, again and again: no Prometheus in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from chaos.errors import ChaosError
from chaos.model import Node
from chaos.protocols import CanHost, Probe

PORT = 8000
PATH = "/metrics"


@final
class Metrics(Probe):
    """`series` is a metric's full name (stack_requests_total); `labels` those that must fit. One value a node."""

    takes: ClassVar[tuple[str, ...]] = ("component", "series", "labels", "port")

    def __init__(
        self,
        target: CanHost,
        name: str,
        every: float,
        component: str,
        series: str,
        labels: Mapping[str, str] | None = None,
        port: int = PORT,
    ) -> None:
        self.name, self.every = name, every
        self._target, self._series, self._labels, self._port = target, series, dict(labels or {}), port
        self._nodes = [n.name for n in target.nodes() if n.component == component]

    @staticmethod
    def missing(nodes: Iterable[Node], params: Mapping[str, Any]) -> str | None:
        """Why these nodes cannot be asked, with what to do about it; None if they can."""
        known = sorted({n.component for n in nodes})
        if params.get("component") in known:
            return None
        return f"metrics: no node is of component {params.get('component')!r}; known: {', '.join(known)}"

    async def sample(self) -> Mapping[str, float]:
        """{node: the sum of what fits}; nodes that do not answer are left out. Raises ChaosError when none does."""
        found = await asyncio.gather(*map(self._ask, self._nodes))
        values = {name: value for name, value in zip(self._nodes, found, strict=True) if value is not None}
        if not values:
            raise ChaosError(f"{', '.join(self._nodes)}: nobody answers {PATH} on port {self._port}")
        return values

    async def _ask(self, node: str) -> float | None:
        with contextlib.suppress(ChaosError, OSError, TimeoutError):
            code, body = await self._target.fetch(node, self._port, PATH, timeout=0.8)
            if code == 200:
                return total(body.decode(errors="replace"), self._series, self._labels)
        return None


def total(exposition: str, series: str, labels: Mapping[str, str]) -> float:
    """The sum of a series' values with these labels in Prometheus' text format; 0.0 where there is none yet."""
    from prometheus_client.parser import text_string_to_metric_families

    mine = "\n".join(line for line in exposition.splitlines() if line.startswith(series))
    return sum(
        sample.value
        for family in text_string_to_metric_families(mine + "\n")
        for sample in family.samples
        if sample.name == series and labels.items() <= sample.labels.items()
    )
