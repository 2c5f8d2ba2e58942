"""Counts operations by result during a run, and how long each journey has been away.

Here a journey is back when none of its operations has failed for `hold`. The report, which knows the whole run, allows
one percent of failures (chaos/judge/measures/recovery.py); its figure is the one that counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaos.judge.measures.recovery import ENOUGH
from chaos.load.contract import OPS
from chaos.model import Op
from chaos.observe.live.follow import Growing


@dataclass
class Away:
    """The outage of a journey since the first fault. Run seconds, by the operations' intended start."""

    first: float | None = None  # its first failed operation
    back: float | None = None  # its first success since the last failure
    good: int = 0  # successes since then
    seen: float = 0.0

    def add(self, op: Op) -> None:
        self.seen = max(self.seen, op.t)
        if not op.ok:
            self.first = op.t if self.first is None else min(self.first, op.t)
            self.back, self.good = None, 0
        elif self.first is not None:
            self.back, self.good = op.t if self.back is None else self.back, self.good + 1

    def returned(self, hold: float) -> float | None:
        """When it was back; None while it is away, or if it never was away."""
        well = self.back is not None and self.seen - self.back >= hold and self.good >= ENOUGH
        return self.back if well else None

    def rto(self, hold: float) -> float:
        """Seconds; growing while it is away."""
        if self.first is None:
            return 0.0
        back = self.returned(hold)
        return max(0.0, (self.seen if back is None else back) - self.first)


class Tally:
    """The operations of a run in progress, each returned once, and the outages of its journeys."""

    def __init__(self, run: Path) -> None:
        self._file = Growing(run / OPS)
        self._decoder = msgspec.json.Decoder(Op)
        self.struck: float | None = None  # when the first fault was confirmed, run seconds
        self.away: dict[str, Away] = {}

    def new(self) -> Iterator[Op]:
        """Operations that have ended since the last call."""
        for line in self._file.look().lines:
            op = self._decoder.decode(line)
            if op.op == "readback":
                continue
            if self.struck is not None and op.end > self.struck:  # operations in flight count as affected
                self.away.setdefault(op.journey, Away()).add(op)
            yield op

    def close(self) -> None:
        self._file.close()
