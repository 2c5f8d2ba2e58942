"""The service level of the last seconds, and the status page, which is updated from it or by hand."""

from __future__ import annotations

import time
from collections import deque

WINDOW = 5  # seconds
LEAST = 20  # requests: fewer are not significant
OBJECTIVE = 0.95  # share of requests that must succeed; pages that need several requests succeed less often
OPERATIONAL, DEGRADED = "operational", "degraded"


class Levels:
    """Counts by second. Counting and reading cost a microsecond."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int, int]] = deque(maxlen=WINDOW)  # second, successes, all

    def count(self, well: bool, now: float) -> None:
        second = int(now)
        at, good, every = self._seconds.pop() if self._seconds and self._seconds[-1][0] == second else (second, 0, 0)
        self._seconds.append((at, good + well, every + 1))

    def success(self, now: float) -> float | None:
        """Share of the last WINDOW seconds' requests that succeeded; None for fewer than LEAST."""
        recent = [(good, every) for at, good, every in self._seconds if now - at <= WINDOW]
        total = sum(every for _, every in recent)
        return sum(good for good, _ in recent) / total if total >= LEAST else None


class StatusPage:
    """The public status page of a gateway. If updated by hand, it shows what was last written there, if anything."""

    def __init__(self, fed_by: str) -> None:
        assert fed_by in ("hand", "slo"), fed_by
        self._fed_by = fed_by
        self._levels = Levels()
        self.written = OPERATIONAL

    def count(self, well: bool) -> None:
        self._levels.count(well, time.monotonic())

    def read(self) -> dict[str, object]:
        success = self._levels.success(time.monotonic())
        bad = success is not None and success < OBJECTIVE
        status = self.written if self._fed_by == "hand" else DEGRADED if bad else OPERATIONAL
        return {"status": status, "fed_by": self._fed_by}
