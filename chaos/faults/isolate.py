"""Cut each node off from everybody, its neighbours too, while it runs on: it does not know that it is alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults._links import Cutting
from chaos.model import Node
from chaos.protocols import Link


@final
@dataclass(frozen=True, kw_only=True)
class Isolate(Cutting):
    whole: ClassVar[bool] = False  # each can come back on its own

    def links(self, nodes: Sequence[Node]) -> list[Link]:
        return [Link(frozenset({n.name}), frozenset(self.to) or None, not self.one_way) for n in nodes]
