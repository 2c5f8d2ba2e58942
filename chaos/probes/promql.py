"""Ask the stack's own Prometheus for one number, again and again, and keep every answer in the journal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final
from urllib.parse import urlencode

from chaos.errors import ChaosError
from chaos.model import Node
from chaos.protocols import CanHost, Probe

PORT = 9090
COMPONENT = "prometheus"


@final
class Promql(Probe):
    """`expr` must come to one number; `or vector(0)` where it may come to none."""

    takes: ClassVar[tuple[str, ...]] = ("expr",)

    def __init__(self, target: CanHost, name: str, every: float, expr: str) -> None:
        self.name, self.every = name, every
        self._target, self._expr = target, expr
        self._node = next(n.name for n in target.nodes() if n.component == COMPONENT)

    @staticmethod
    def missing(nodes: Iterable[Node], params: Mapping[str, Any]) -> str | None:
        """Why these nodes cannot answer PromQL, with what to do about it; None if they can."""
        if any(n.component == COMPONENT for n in nodes):
            return None
        return (
            f"promql needs a node of component {COMPONENT!r} and there is none here "
            "(embedded: install a `prometheus` program on PATH); do so, use --target compose"
        )

    async def sample(self) -> Mapping[str, float]:
        """{"value": x}; {} where the answer is not a number (0/0). Raises ChaosError with Prometheus' own words."""
        code, body = await self._target.fetch(self._node, PORT, "/api/v1/query?" + urlencode({"query": self._expr}))
        try:
            answer = json.loads(body)
        except ValueError:
            raise ChaosError(f"{self._node}: HTTP {code}, not an answer of Prometheus: {body[:80]!r}") from None
        if answer.get("status") != "success":
            raise ChaosError(f"{self._node}: {answer.get('error', code)}")
        result = answer["data"]["result"]
        values = [result] if answer["data"]["resultType"] == "scalar" else [r["value"] for r in result]
        if len(values) != 1:
            raise ChaosError(f"{self._expr}: found {len(values)} values, expected one number")
        value = float(values[0][1])
        return {"value": value} if math.isfinite(value) else {}
