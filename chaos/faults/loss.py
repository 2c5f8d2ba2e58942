"""Drop a share of the packets, each independently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import ShapeFault
from chaos.protocols.links import Quality, Traffic
from chaos.units import Share


@final
@dataclass(frozen=True, kw_only=True)
class Loss(ShapeFault):
    share: Share

    def quality(self) -> Quality:
        return Quality(loss=self.share)

    def effective(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
