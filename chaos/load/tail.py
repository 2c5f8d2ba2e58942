"""The success rate of the last seconds, read from ops.jsonl while it grows."""

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
    """Reads whole lines that were appended since the last call, so that each call costs only what is new.

    Thread-safe: stop conditions, the progress line and the metrics use it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0  # bytes read so far, up to the end of a line
        self._recent: deque[tuple[float, str, bool]] = deque()  # end, journey, ok; as they ended
        self._decoder = msgspec.json.Decoder(Op)
        self._looking = threading.Lock()

    def rates(self, now: float, seconds: float) -> Mapping[str, Rate]:
        """By journey, the operations that ended in the last `seconds` before `now`, a time on the timeline.

        Operations older than MEMORY are forgotten.
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
