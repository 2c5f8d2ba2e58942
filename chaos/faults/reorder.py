"""Let a share of the packets overtake the others, which are delayed by `ms` milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import ShapeFault
from chaos.protocols.links import Quality, Traffic
from chaos.units import Held, Share


@final
@dataclass(frozen=True, kw_only=True)
class Reorder(ShapeFault):
    share: Share
    ms: Held = 10.0

    def quality(self) -> Quality:
        return Quality(reorder=self.share, delay_ms=self.ms)

    def effective(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
