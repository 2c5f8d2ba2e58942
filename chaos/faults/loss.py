"""Lose a share of the packets, each on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Shaping
from chaos.protocols import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Loss(Shaping):
    share: float  # 0 to 1

    def quality(self) -> Quality:
        return Quality(loss=self.share)

    def bites(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
