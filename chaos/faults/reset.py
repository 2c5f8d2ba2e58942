"""Answer every TCP segment with a reset: connections break at once, new ones are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.faults._links import Shaping
from chaos.protocols import Quality, Traffic


@final
@dataclass(frozen=True, kw_only=True)
class Reset(Shaping):
    backend: ClassVar[str] = "reset"

    def quality(self) -> Quality:
        return Quality(reset=True)

    def bites(self, traffic: Traffic) -> bool:
        return traffic.packets > 0
