"""Let at most `kbit` kilobits a second pass each way; more waits, and is lost when it would wait too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Shaping
from chaos.protocols import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Rate(Shaping):
    kbit: float

    def quality(self) -> Quality:
        return Quality(rate_kbit=self.kbit)

    def bites(self, traffic: Traffic) -> bool:
        return traffic.delay_ms > 0
