"""Cut a whole zone off in one transaction: traffic within it continues, nothing crosses its border, not even users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import CutFault


@final
@dataclass(frozen=True, kw_only=True)
class ZoneCut(CutFault):
    pass
