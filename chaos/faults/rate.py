"""Limit traffic to `kbit` kilobits a second each way; more packets wait, and are dropped if the wait is too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

from msgspec import Meta

from chaos.faults._links import ShapeFault
from chaos.protocols.links import Quality, Traffic

FELT = 0.1  # milliseconds that a packet waits on average; every rule adds some delay below that
MOST = 10_000_000  # kilobits a second; no link of a stack on one machine carries more


@final
@dataclass(frozen=True, kw_only=True)
class Rate(ShapeFault):
    kbit: Annotated[float, Meta(gt=0, le=MOST, extra={"unit": "kbit/s"})]

    def quality(self) -> Quality:
        return Quality(rate_kbit=self.kbit)

    def effective(self, traffic: Traffic) -> bool:
        return traffic.delay_ms >= FELT
