"""Success in the last seconds, read from ops.jsonl while it grows: for the line that says how a run is going."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from chaos.model import Op


class Rate(NamedTuple):
    ok: int
    n: int

    @property
    def share(self) -> float:
        """0 … 1; only a rate with operations behind it has one."""
        assert self.n, "no operations, no share"
        return self.ok / self.n


class Tail:
    """Reads what was appended since the last look, whole lines only. One look costs what was written since."""

    def __init__(self, path: Path, window: float = 5.0) -> None:
        self._path, self._window = path, window
        self._at = 0  # bytes read so far, up to the end of a line
        self._recent: deque[tuple[float, str, bool]] = deque()  # end, journey, ok
        self._decoder = msgspec.json.Decoder(Op)

    def rates(self, now: float) -> Mapping[str, Rate]:
        """By journey, operations that ended within the window up to `now` (seconds on the timeline)."""
        for line in self._new():
            op = self._decoder.decode(line)
            if op.op != "readback":
                self._recent.append((op.end, op.journey, op.ok))
        while self._recent and self._recent[0][0] < now - self._window:
            self._recent.popleft()
        found: dict[str, Rate] = {}
        for _, journey, ok in self._recent:
            rate = found.get(journey, Rate(0, 0))
            found[journey] = Rate(rate.ok + ok, rate.n + 1)
        return dict(sorted(found.items()))

    def overall(self, now: float) -> Rate:
        """All journeys together."""
        rates = self.rates(now).values()
        return Rate(sum(r.ok for r in rates), sum(r.n for r in rates))

    def _new(self) -> list[bytes]:
        try:
            with self._path.open("rb") as f:
                f.seek(self._at)
                *lines, torn = f.read().split(b"\n")
                self._at = f.tell() - len(torn)
        except FileNotFoundError:  # the load is not ready yet
            return []
        return [line for line in lines if line]
