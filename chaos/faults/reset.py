"""Answer every TCP segment with a reset: connections break at once, new ones are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import ShapeFault
from chaos.protocols.capabilities import RESET
from chaos.protocols.links import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Reset(ShapeFault):
    needs = RESET

    def quality(self) -> Quality:
        return Quality(reset=True)

    def effective(self, traffic: Traffic) -> bool:
        return traffic.packets > 0
