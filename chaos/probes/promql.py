"""Sample one number from the stack's own Prometheus, and record every answer in the journal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final
from urllib.parse import urlencode

from chaos.errors import ChaosError
from chaos.model import Node
from chaos.protocols import Probe, Target
from chaos.protocols.capabilities import HOST

PORT = 9090
COMPONENT = "prometheus"
LONGEST = 2000  # characters: the parser recurses for each nested part, and its stack is limited
# Times that make the parser itself crash.
ENDLESS = re.compile(r"(\boffset|\[|:)[\s+-]*((inf|nan)\b|[\d.]+e\+?\d\d|[\d.]{13})", re.IGNORECASE)


def wrong(expr: str) -> str:
    """Why no Prometheus can answer this with one number; empty if one may."""
    import promql_parser

    what = f"{expr!r:.80} is not an expression with one number as its result"
    if len(expr) > LONGEST:
        return f"{what}: found {len(expr):,} characters, expected at most {LONGEST:,}"
    if ENDLESS.search(expr):
        return f"{what}: found an invalid time"
    try:
        found = promql_parser.parse(expr)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as e:  # a panic of the parser is not an Exception
        return f"{what}: {e}"
    while isinstance(found, promql_parser.ParenExpr):
        found = found.expr
    several = promql_parser.MatrixSelector | promql_parser.SubqueryExpr
    if isinstance(found, several | promql_parser.StringLiteral):
        return f"{what}: found {'samples over a time' if isinstance(found, several) else 'text'}"
    return ""


@final
class Promql(Probe):
    """`expr` must evaluate to one number; use `or vector(0)` if it may be empty."""

    takes: ClassVar[tuple[str, ...]] = ("expr",)

    def __init__(self, target: Target, name: str, every: float, expr: str) -> None:
        self.name, self.every = name, every
        self._users, self._expr = target.can.need(HOST), expr
        self._node = next(n.name for n in target.nodes() if n.component == COMPONENT)

    @staticmethod
    def missing(nodes: Iterable[Node], params: Mapping[str, Any]) -> str | None:
        """Why these nodes cannot answer PromQL, and what to do about it; None if they can."""
        if why := wrong(str(params.get("expr", "1"))):
            return f"promql: {why}"
        if any(n.component == COMPONENT for n in nodes):
            return None
        return (
            f"promql needs a node of component {COMPONENT!r} and there is none here "
            "(embedded: install a `prometheus` program on PATH); do so, use --target compose"
        )

    async def sample(self) -> Mapping[str, float]:
        """{"value": x}; {} if the answer is not a number (0/0). Raises ChaosError with Prometheus' own message."""
        code, body = await self._users.fetch(self._node, PORT, "/api/v1/query?" + urlencode({"query": self._expr}))
        try:
            value = self._number(json.loads(body), code)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise ChaosError(f"{self._node}: HTTP {code}, not an answer of Prometheus: {body[:80]!r}") from None
        return {"value": value} if math.isfinite(value) else {}

    def _number(self, answer: Any, code: int) -> float:
        """The number in the answer. Raises ChaosError with Prometheus' message, or because it is no answer of
        Prometheus.
        """
        if answer.get("status") != "success":
            raise ChaosError(f"{self._node}: {answer.get('error', code)}")
        result = answer["data"]["result"]
        values = [result] if answer["data"]["resultType"] == "scalar" else [r["value"] for r in result]
        if len(values) != 1:
            raise ChaosError(f"{self._expr}: found {len(values)} values, expected one number")
        return float(values[0][1])
