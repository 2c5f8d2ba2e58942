"""Delay every packet by `ms` milliseconds each way, plus or minus `jitter_ms`; the order is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

from msgspec import Meta

from chaos.errors import BadExperiment
from chaos.faults._links import ROUND_TRIP, ShapeFault
from chaos.protocols.links import Quality, RoundTrips, Traffic
from chaos.units import Held


@final
@dataclass(frozen=True, kw_only=True)
class Delay(ShapeFault):
    ms: Held
    jitter_ms: Annotated[float, Meta(ge=0)] = 0.0
    compared: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.jitter_ms >= self.ms:
            found = f"found {self.jitter_ms:g} ms of jitter on a delay of {self.ms:g} ms"
            raise BadExperiment(f"delay.jitter_ms: {found}, expected less jitter than delay")

    def felt(self, before: Mapping[str, float], during: Mapping[str, float]) -> bool | None:
        """Whether the round trip is longer by at least half of the intended delay.

        That the helper holds packets is not enough.
        """
        held = self.ms if self.one_way else 2 * self.ms
        was, now = before.get(ROUND_TRIP), during.get(ROUND_TRIP)
        if was is None:
            return None
        if now is None:  # no answer within the time limit
            return True if was + held > 1000 * RoundTrips.WAITED else None
        return now - was >= held / 2

    def quality(self) -> Quality:
        return Quality(delay_ms=self.ms, jitter_ms=self.jitter_ms)

    def effective(self, traffic: Traffic) -> bool:
        return traffic.delay_ms >= 0.8 * (self.ms - self.jitter_ms / 2)
