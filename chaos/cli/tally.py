"""What users meet, counted while it happens: how each operation ended, and how long each journey has been away.

A journey is back here once nothing of it failed for as long as the plan's `hold`; the report, which knows the whole
run, allows one percent (chaos/measures/recovery.py), and its figure is the one that counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaos.live.follow import Growing
from chaos.load.contract import OPS
from chaos.model import Op

ENOUGH = 3  # operations: fewer good ones in a row prove nothing


@dataclass
class Away:
    """A journey since the first fault. Run seconds, by the operations' intended start."""

    first: float | None = None  # its first failed operation
    back: float | None = None  # its first good one since the last failed one
    good: int = 0  # since then
    seen: float = 0.0

    def add(self, op: Op) -> None:
        self.seen = max(self.seen, op.t)
        if not op.ok:
            self.first = op.t if self.first is None else min(self.first, op.t)
            self.back, self.good = None, 0
        elif self.first is not None:
            self.back, self.good = op.t if self.back is None else self.back, self.good + 1

    def returned(self, hold: float) -> float | None:
        """When it was back; None while it is away, or never was."""
        well = self.back is not None and self.seen - self.back >= hold and self.good >= ENOUGH
        return self.back if well else None

    def rto(self, hold: float) -> float:
        """Seconds; still growing while it is away."""
        if self.first is None:
            return 0.0
        back = self.returned(hold)
        return max(0.0, (self.seen if back is None else back) - self.first)


class Tally:
    """The operations of a run that is going on, each told once, and what they come to by journey."""

    def __init__(self, run: Path) -> None:
        self._file = Growing(run / OPS)
        self._decoder = msgspec.json.Decoder(Op)
        self.struck: float | None = None  # when the first fault bit, run seconds
        self.away: dict[str, Away] = {}

    def new(self) -> Iterator[Op]:
        """Operations that ended since the last look."""
        for line in self._file.look().lines:
            op = self._decoder.decode(line)
            if op.op == "readback":
                continue
            if self.struck is not None and op.end > self.struck:  # one in flight was not spared
                self.away.setdefault(op.journey, Away()).add(op)
            yield op

    def close(self) -> None:
        self._file.close()
