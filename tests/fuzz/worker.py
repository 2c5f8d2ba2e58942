"""Tries inputs of one kind for a while in this process, and writes down each that breaks a rule, once and shrunk."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.kind import Kind

BATCH = 200  # inputs to one seed
SHRINK = 60.0  # seconds at most


class Finding(NamedTuple):
    where: str  # exception and the line of ours that it came from
    words: str
    data: bytes


class Worker:
    """`current` gets each input before it is tried, so that one that ends the process can be found there."""

    def __init__(self, kind: Kind, current: Path) -> None:
        self._kind, self._current = kind, current
        self.inputs = 0
        self.found: dict[str, Finding] = {}

    def work(self, seconds: float, first: int) -> None:
        end = time.monotonic() + seconds
        number = first
        while time.monotonic() < end:
            if (where := self._batch(number, end)) is not None:
                self._shrink(number, where)
            else:
                number += 1

    def _batch(self, number: int, end: float) -> str | None:
        """The first new finding of these inputs."""
        new: list[str] = []

        def body(data: bytes) -> None:
            if new or time.monotonic() > end:
                return
            found = self._tried(data)
            if found and found.where not in self.found:
                self.found[found.where] = found
                new.append(found.where)

        run(self._kind, body, number, BATCH, shrink=False)
        return new[0] if new else None

    def _shrink(self, number: int, where: str) -> None:
        """The shortest input that Hypothesis finds for it in time."""
        end = time.monotonic() + SHRINK

        def body(data: bytes) -> None:
            if time.monotonic() > end:
                return
            found = self._tried(data)
            if found and found.where == where:
                if len(data) <= len(self.found[where].data):
                    self.found[where] = found
                raise AssertionError(where)

        try:
            run(self._kind, body, number, BATCH, shrink=True)
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise

    def _tried(self, data: bytes) -> Finding | None:
        self._current.write_bytes(data)
        self.inputs += 1
        try:
            self._kind.check(data)
        except Exception as e:
            return Finding(origin(e), "".join(traceback.format_exception(e))[-3000:], data)
        return None


def run(kind: Kind, body: Callable[[bytes], object], number: int, count: int, shrink: bool) -> None:
    """`body` with `count` inputs of the kind, the same for the same number."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck), phases=phases)
    @given(kind.inputs)
    def test(data: bytes) -> None:
        body(data)

    test()


def origin(error: BaseException) -> str:
    """Which exception, and the last line of the project's own that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    if error.__cause__ is not None:
        frames = traceback.StackSummary.from_list([*frames, *traceback.extract_tb(error.__cause__.__traceback__)])
    ours = [f for f in frames if "/chaos/" in f.filename and "/site-packages/" not in f.filename]
    last = ours[-1] if ours else frames[-1]
    return f"{type(error).__name__} in {Path(last.filename).stem}.{last.name}: {last.line}"
