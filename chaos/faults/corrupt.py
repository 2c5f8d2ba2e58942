"""Change a byte in a share of the packets: receivers see a wrong checksum and drop them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import ShapeFault
from chaos.protocols.links import Quality, Traffic
from chaos.units import Share


@final
@dataclass(frozen=True, kw_only=True)
class Corrupt(ShapeFault):
    share: Share

    def quality(self) -> Quality:
        return Quality(corrupt=self.share)

    def effective(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
