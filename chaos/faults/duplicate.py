"""Deliver a share of the packets twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Shaping
from chaos.protocols import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Duplicate(Shaping):
    share: float  # 0 to 1

    def quality(self) -> Quality:
        return Quality(duplicate=self.share)

    def bites(self, traffic: Traffic) -> bool:
        return traffic.changed > 0
