"""Standard output and error: always able to print UTF-8, tolerant of closed pipes, and free of control characters
except the harness's own colours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from chaos import safe
from chaos.redaction import Hider


class _Patient:
    """A stream whose reader may close it (`chaos run zone-fire | head -1`); further output is then dropped.

    All text from files, nodes and the network passes through it, so that it cannot control the terminal.
    """

    def __init__(self, stream: TextIO, forgiven: type[OSError]) -> None:
        self._stream, self._forgiven = stream, forgiven
        self.hiders: list[Hider] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        said = text if isinstance(text, safe.Painted) else safe.text(text)
        for hider in self.hiders:
            said = hider.text(said)
        try:
            return self._stream.write(said)
        except self._forgiven:
            deafen(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except self._forgiven:
            deafen(self._stream)


@contextmanager
def said() -> Iterator[None]:
    """Make standard output and error tolerant while the block lasts."""
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _stream(kept[0], BrokenPipeError), _stream(kept[1], OSError)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stdout, sys.stderr = kept


def hide(hider: Hider) -> None:
    """From now on, replace known secrets in all output: errors, nodes' logs, programs' output."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Patient):
            stream.hiders.append(hider)


def deafen(stream: TextIO) -> None:
    """Let writes to the stream succeed without effect, also the interpreter's last flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _stream(stream: TextIO | None, forgiven: type[OSError]) -> Any:
    if stream is None:  # it was closed by the parent process
        return open(os.devnull, "w", encoding="utf-8")
    if reconfigure := getattr(stream, "reconfigure", None):
        known = (stream.encoding or "ascii").lower().replace("_", "-")
        ascii_only = known in {"ascii", "us-ascii", "ansi-x3.4-1968", "646"}
        reconfigure(encoding="utf-8" if ascii_only else None, errors="backslashreplace")
    return _Patient(stream, forgiven)
