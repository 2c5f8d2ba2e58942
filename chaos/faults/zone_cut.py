"""Cut a whole zone off in one transaction: within it everything goes on, nothing passes its border, users included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.faults._links import Cutting


@final
@dataclass(frozen=True, kw_only=True)
class ZoneCut(Cutting):
    pass
