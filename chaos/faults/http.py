"""Answer HTTP requests to the node with `status` (0: a reset) in its stead, or hold them for `ms`, by path and method.

`path` is a glob, in which `*` stands for `/` too; a `share` of the requests that fit is hit, others pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from chaos.errors import BadExperiment
from chaos.faults._links import Shaping
from chaos.model import Node
from chaos.protocols import CanShape, Quality, Requests, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Http(Shaping):
    path: str = "*"
    method: str = ""
    status: int = 503
    ms: float = 0.0
    share: float = 1.0
    port: int = 0

    def __post_init__(self) -> None:
        wrong = {
            "http.status: 400 to 599, or 0 for a reset": self.status == 0 or 400 <= self.status <= 599,
            "http.ms: milliseconds from 0, where 0 means `status` at once": self.ms >= 0,
            "http.share: more than 0, up to 1": 0 < self.share <= 1,
            "http.port: 1 to 65535, or 0 for all": 0 <= self.port <= 65535,
            "http has no one_way: requests come to the node": not self.one_way,
        }
        if problems := [words for words, fine in wrong.items() if not fine]:
            raise BadExperiment(*problems)

    def quality(self) -> Quality:
        return Quality(http=Requests(self.path, self.method, self.port, self.share, self.status, self.ms))

    def bites(self, traffic: Traffic) -> bool:
        return traffic.changed > 0 and traffic.delay_ms >= 0.8 * self.ms

    async def figures(self, target: CanShape, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = [t for link in self.links(nodes) if (t := await target.traffic(repr(self), link))]
        hit = sum(t.changed for t in found)
        held = sum(t.delay_ms * t.changed for t in found)
        return {
            "requests": sum(t.requests for t in found),
            "requests_hit": hit,
            "delay_ms": round(held / hit, 3) if hit else 0.0,
        }
