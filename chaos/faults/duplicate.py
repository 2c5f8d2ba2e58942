"""Deliver a share of the packets twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import ShapeFault
from chaos.protocols.links import Quality, Traffic
from chaos.units import Share


@final
@dataclass(frozen=True, kw_only=True)
class Duplicate(ShapeFault):
    share: Share

    def quality(self) -> Quality:
        return Quality(duplicate=self.share)

    def effective(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
