"""CPU steal: the share of this machine's processor time that its hypervisor gave to others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

from chaos.protocols import Probe

NAME = "machine"  # subject of its samples in the journal
STAT = Path("/proc/stat")
STOLEN = 7  # index of "steal" among a processor's times; man 5 proc


@final
class Machine(Probe):
    """A probe of every run, whether or not a check needs it, on systems whose kernel counts steal (Linux)."""

    def __init__(self, target: object, name: str = NAME, every: float = 1.0, stat: Path = STAT) -> None:
        self.name, self.every = name, every
        self._stat = stat
        self._before = self._times()

    async def sample(self) -> Mapping[str, float]:
        """{stolen: share of the processors' time since the last sample, 0..1}. Raises OSError."""
        now = self._times()
        spent = [b - a for a, b in zip(self._before, now, strict=True)]
        self._before = now
        return {"stolen": round(spent[STOLEN] / sum(spent), 4) if sum(spent) > 0 else 0.0}

    def _times(self) -> list[int]:
        words = self._stat.read_text(encoding="utf-8").partition("\n")[0].split()
        return [int(x) for x in words[1:9]]  # "guest" time is already part of "user"
