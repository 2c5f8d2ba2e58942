"""Cut each node off from everything else, its neighbours included, while it keeps running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults._links import CutFault
from chaos.model import Node
from chaos.protocols.links import Link


@final
@dataclass(frozen=True, kw_only=True)
class Isolate(CutFault):
    whole: ClassVar[bool] = False  # each node can come back separately

    def links(self, nodes: Sequence[Node]) -> list[Link]:
        return [Link(frozenset({n.name}), frozenset(self.to) - {n.name} or None, not self.one_way) for n in nodes]
