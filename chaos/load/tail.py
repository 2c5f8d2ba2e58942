"""Success in the last seconds, read from ops.jsonl while it grows: for the line that says how a run is going."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from chaos.model import Op

MEMORY = 120.0  # seconds


class Rate(NamedTuple):
    ok: int
    n: int


class Tail:
    """Reads what was appended since the last look, whole lines only. One look costs what was written since.

    Any thread may look: a run's conditions, its line of progress and its metrics do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0  # bytes read so far, up to the end of a line
        self._recent: deque[tuple[float, str, bool]] = deque()  # end, journey, ok; as they ended
        self._decoder = msgspec.json.Decoder(Op)
        self._looking = threading.Lock()

    def rates(self, now: float, seconds: float) -> Mapping[str, Rate]:
        """By journey, operations that ended in the last `seconds` before `now`, which is on the timeline.

        What lies further back than MEMORY is forgotten.
        """
        with self._looking:
            return self._rates(now, seconds)

    def _rates(self, now: float, seconds: float) -> Mapping[str, Rate]:
        for line in self._new():
            op = self._decoder.decode(line)
            if op.op != "readback":
                self._recent.append((op.end, op.journey, op.ok))
        while self._recent and self._recent[0][0] < now - MEMORY:
            self._recent.popleft()
        found: dict[str, Rate] = {}
        for end, journey, ok in reversed(self._recent):
            if end < now - seconds:
                break
            rate = found.get(journey, Rate(0, 0))
            found[journey] = Rate(rate.ok + ok, rate.n + 1)
        return dict(sorted(found.items()))

    def _new(self) -> list[bytes]:
        try:
            with self._path.open("rb") as f:
                f.seek(self._at)
                *lines, torn = f.read().split(b"\n")
                self._at = f.tell() - len(torn)
        except FileNotFoundError:  # the load is not ready yet
            return []
        return [line for line in lines if line]
