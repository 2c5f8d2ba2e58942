"""How much of this machine's processors was given to others: what a hypervisor takes away looks like a slow system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

from chaos.protocols import Probe

NAME = "machine"  # of its samples in the journal
STAT = Path("/proc/stat")
STOLEN = 7  # which of a processor's times is "steal"; man 5 proc


@final
class Machine(Probe):
    """Of every run, asked for by no experiment. Only where the kernel counts it (Linux)."""

    def __init__(self, every: float = 1.0, stat: Path = STAT) -> None:
        self.name, self.every = NAME, every
        self._stat = stat
        self._before = self._times()

    async def sample(self) -> Mapping[str, float]:
        """{stolen: share of the processors' time since the last sample, 0..1}. Raises OSError."""
        now = self._times()
        spent = [b - a for a, b in zip(self._before, now, strict=True)]
        self._before = now
        return {"stolen": round(spent[STOLEN] / sum(spent), 4) if sum(spent) > 0 else 0.0}

    def _times(self) -> list[int]:
        words = self._stat.read_text().partition("\n")[0].split()
        return [int(x) for x in words[1:9]]  # a guest's time is in its host's "user" already
