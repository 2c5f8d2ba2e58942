"""Cut the network between two groups of nodes: `where` on one side, `to` on the other; within a group all goes on.

Several at once make overlapping groups: a node that no partition names still sees both sides. `one_way` lets answers
through that nobody asked for any more: what `to` sends still arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Cutting


@final
@dataclass(frozen=True, kw_only=True)
class Partition(Cutting):
    to: tuple[str, ...]
