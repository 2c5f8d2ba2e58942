"""Hold every packet back for `ms` milliseconds each way, give or take `jitter_ms`; the order is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Shaping
from chaos.protocols import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Delay(Shaping):
    ms: float
    jitter_ms: float = 0.0

    def quality(self) -> Quality:
        return Quality(delay_ms=self.ms, jitter_ms=self.jitter_ms)

    def bites(self, traffic: Traffic) -> bool:
        return traffic.delay_ms >= 0.8 * (self.ms - self.jitter_ms)
