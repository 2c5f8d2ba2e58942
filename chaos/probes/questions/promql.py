"""A PromQL expression: its value stays within these limits.

A Prometheus that does not answer, and an expression without a number, give no answer, neither a good nor a bad one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.errors import BadExperiment, ChaosError
from chaos.model import Node
from chaos.probes import promql
from chaos.protocols import Target
from chaos.protocols.capabilities import HOST
from chaos.protocols.questions import Answer, Question
from chaos.units import Figure


@final
@dataclass(frozen=True)
class Promql(Question[Target]):
    needs = HOST
    bare: ClassVar = "expr"
    fails: ClassVar = "the value is out of bounds"
    slow_is_bad: ClassVar = False

    expr: str
    at_most: Figure | None = None
    at_least: Figure | None = None

    def __post_init__(self) -> None:
        if self.at_most is None and self.at_least is None:
            raise BadExperiment("promql: found no bound, expected at_most or at_least")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            found = f"found at_least {self.at_least:g} above at_most {self.at_most:g}"
            raise BadExperiment(f"promql: {found}, expected it below")

    def missing(self, nodes: Sequence[Node]) -> str | None:
        return promql.Promql.missing(nodes, {"expr": self.expr})

    @property
    def words(self) -> str:
        said = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        said += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.expr}, {' and '.join(said)}"

    async def ask(self, on: Target, within: float) -> Answer:
        values = await promql.Promql(on, "", within, self.expr).sample()
        if not values:
            raise ChaosError("the expression has no value")
        value = values["value"]
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        good = low <= value <= high
        return Answer(good, values, "" if good else f"{value:g}")
