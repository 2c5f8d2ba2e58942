"""Let a share of the packets overtake the others, which are held back for `ms` milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Shaping
from chaos.protocols import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Reorder(Shaping):
    share: float  # 0 to 1
    ms: float = 10.0

    def quality(self) -> Quality:
        return Quality(reorder=self.share, delay_ms=self.ms)

    def bites(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
