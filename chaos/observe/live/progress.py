"""Shows progress during a run: the live view on a terminal, one line for each event anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos import safe
from chaos.model import Event
from chaos.observe.live import view
from chaos.observe.live.words import words


class Progress:
    """`tell` has to receive every event. Lines go to stderr at once, or after the live view has closed."""

    def __init__(self, run: Path, plain: bool = False) -> None:
        self._run, self._plain = run, plain
        self._zero: float | None = None
        self._began = time.monotonic()
        self._view: view.View | None = None
        self._kept: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Show progress while the block lasts."""
        if not view.wanted(sys.stderr, self._plain):
            yield
            return
        self._view = view.View(self._run)
        try:
            with self._view.shown():
                yield
        finally:
            self._view = None
            for line in self._kept:
                print(line, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Show what the target is busy with: an image that is built, nodes that are not healthy yet."""
        if self._view is not None:
            self._view.note(text)
        else:
            self._say(text)

    def tell(self, event: Event) -> None:
        if event.kind == "phase" and event.subject == "timeline":
            self._zero = time.monotonic() - event.t
        if text := words(event):
            self._say(text)

    def _say(self, text: str) -> None:
        line = safe.line(f"[{self._clock():>8}] {text}")
        if self._view is not None:
            self._kept.append(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def _clock(self) -> str:
        now = time.monotonic()
        return f"{now - self._began:.1f} s" if self._zero is None else f"t{now - self._zero:+.1f} s"
