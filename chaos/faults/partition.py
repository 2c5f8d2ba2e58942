"""Cut the network between two groups of nodes: `where` on one side, `to` on the other; traffic within each continues.

Several partitions at once make overlapping groups: a node that no partition names still reaches both sides. With
`one_way` only packets towards `to` are blocked: packets from `to` still arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

from msgspec import Meta

from chaos.faults._links import CutFault


@final
@dataclass(frozen=True, kw_only=True)
class Partition(CutFault):
    to: Annotated[tuple[str, ...], Meta(min_length=1, description="a selector, as under `where`")]
