"""Answer HTTP requests to the node with `status` (0: a reset) instead of it, or delay them by `ms`, by path and method.

`path` is a glob, in which `*` also matches `/`. A `share` of the matching requests is affected, the others pass.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, final

from msgspec import Meta

from chaos.errors import BadExperiment
from chaos.faults._links import ShapeFault
from chaos.model import Node
from chaos.protocols.capabilities import Shaping
from chaos.protocols.links import Quality, Requests, Traffic
from chaos.units import Share

_METHOD = re.compile("([A-Za-z]{3,20})?")  # what the helper can parse
_FIRST = re.compile(r"\[!?\]?[^\]]*\]|.")  # of a glob


@final
@dataclass(frozen=True, kw_only=True)
class Http(ShapeFault):
    path: str = "*"
    method: str = ""
    status: int = 503
    ms: Annotated[float, Meta(ge=0, le=600_000)] = 0.0  # 0: `status` at once
    share: Share = 1.0
    port: Annotated[int, Meta(ge=0, le=65535)] = 0  # 0: any

    def __post_init__(self) -> None:
        wrong = {
            "http.status: 400 to 599, or 0 for a reset": self.status == 0 or 400 <= self.status <= 599,
            f"http.path: {self.path!r} matches no path of a request; expected a glob such as /v1/*": _fits(self.path),
            f"http.method: {self.method!r} is no method; expected letters such as POST": _METHOD.fullmatch(self.method),
            "http has no one_way: it affects requests to the node only": not self.one_way,
        }
        if problems := [words for words, fine in wrong.items() if not fine]:
            raise BadExperiment(*problems)

    def quality(self) -> Quality:
        return Quality(http=Requests(self.path, self.method, self.port, self.share, self.status, self.ms))

    def effective(self, traffic: Traffic) -> bool:
        return traffic.changed > 0 and traffic.delay_ms >= 0.8 * self.ms

    async def figures(self, on: Shaping, nodes: Sequence[Node]) -> Mapping[str, float]:
        found = [t for link in self.links(nodes) if (t := await on.traffic(repr(self), link))]
        hit = sum(t.changed for t in found)
        held = sum(t.delay_ms * t.changed for t in found)
        return {
            "requests": sum(t.requests for t in found),
            "requests_hit": hit,
            "delay_ms": round(held / hit, 3) if hit else 0.0,
        }


def _fits(glob: str) -> bool:
    """Whether the glob can match a path as it is sent: it starts with a slash and has no space, `#` or non-ASCII
    letter.
    """
    first = _FIRST.match(glob)
    sendable = glob.isascii() and glob.isprintable() and not set(glob) & set(" #")
    return first is not None and sendable and fnmatch.fnmatchcase("/", first[0])
