"""Flip a byte in a share of the packets: receivers see a wrong checksum and drop them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Shaping
from chaos.protocols import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Corrupt(Shaping):
    share: float  # 0 to 1

    def quality(self) -> Quality:
        return Quality(corrupt=self.share)

    def bites(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
