"""Sample one metric of every node of a component, without a Prometheus in between."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from chaos.errors import ChaosError
from chaos.model import Node
from chaos.protocols import Probe, Target
from chaos.protocols.capabilities import HOST

PORT = 8000
PATH = "/metrics"


@final
class Metrics(Probe):
    """`series` is a metric's full name (stack_requests_total); `labels` those that must match. One value for each node.

    A node that does not have the series gives no value: 0 would be a value that was never counted.
    """

    takes: ClassVar[tuple[str, ...]] = ("component", "series", "labels", "port")

    def __init__(
        self,
        target: Target,
        name: str,
        every: float,
        component: str,
        series: str,
        labels: Mapping[str, str] | None = None,
        port: int = PORT,
    ) -> None:
        self.name, self.every = name, every
        self._users, self._series, self._labels, self._port = target.can.need(HOST), series, dict(labels or {}), port
        self._nodes = [n.name for n in target.nodes() if n.component == component]

    @staticmethod
    def missing(nodes: Iterable[Node], params: Mapping[str, Any]) -> str | None:
        """Why these nodes cannot be asked, and what to do about it; None if they can."""
        known = sorted({n.component for n in nodes})
        if params.get("component") in known:
            return None
        return f"metrics: no node is of component {params.get('component')!r}; known: {', '.join(known)}"

    async def sample(self) -> Mapping[str, float]:
        """{node: sum of the matching values}, without nodes that do not answer or do not have the series.

        Raises ChaosError if that leaves no node.
        """
        found = await asyncio.gather(*map(self._ask, self._nodes))
        values = {name: value for name, value in zip(self._nodes, found, strict=True) if value is not None}
        if not values:
            asked = f"{PATH} on port {self._port}"
            raise ChaosError(f"{', '.join(self._nodes)}: no node answers {asked} with {self._series}")
        return values

    async def _ask(self, node: str) -> float | None:
        """The node's value; None if it does not answer, or not with a number."""
        with contextlib.suppress(ChaosError, OSError, TimeoutError, ValueError):
            code, body = await self._users.fetch(node, self._port, PATH, timeout=0.8)
            if code == 200:
                text = body.decode(errors="replace")
                if known(text, self._series):
                    found = total(text, self._series, self._labels)
                    return found if math.isfinite(found) else None
        return None


def known(exposition: str, series: str) -> bool:
    """Whether the text has or declares the series. One with labels has no sample until something was counted."""
    families = {series, re.sub("_(total|count|sum|bucket)$", "", series)}
    for line in exposition.splitlines():
        words = line.split(None, 3)
        declared = words[:2] in (["#", "TYPE"], ["#", "HELP"]) and len(words) > 2 and words[2] in families
        if declared or re.split(r"[{\s]", line, maxsplit=1)[0] == series:
            return True
    return False


def total(exposition: str, series: str, labels: Mapping[str, str]) -> float:
    """The sum of a series' values with these labels in Prometheus' text format; 0.0 if there are none yet.

    Raises ValueError for another format.
    """
    from prometheus_client.parser import text_string_to_metric_families

    mine = "\n".join(line for line in exposition.splitlines() if line.startswith(series))
    found = (
        sample.value
        for family in text_string_to_metric_families(mine + "\n")
        for sample in family.samples
        if sample.name == series and labels.items() <= sample.labels.items()
    )
    return float(sum(found))
