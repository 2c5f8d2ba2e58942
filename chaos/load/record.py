"""The writer of ops.jsonl: one line for each operation, passed to the kernel at once."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from chaos.model import Op


class Line(Op, frozen=True, omit_defaults=True):
    """An Op whose empty fields are left out."""


class Record:
    """Appends lines. Raises OSError if a line does not fit on the disk.

    A line is one write(2) to a file opened for appending, so a SIGKILL loses at most the line in flight. An incomplete
    line of a killed predecessor is removed first.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.lines = 0
        _trim(self._fd)

    def write(self, line: Line) -> None:
        raw = msgspec.json.encode(line) + b"\n"
        done = os.write(self._fd, raw)
        while done < len(raw):  # a disk that is filling up accepts a part and refuses the rest
            done += os.write(self._fd, raw[done:])
        self.lines += 1


def _trim(fd: int) -> None:
    """Remove an incomplete last line."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - 65_536)
        at = os.pread(fd, end - start, start).rfind(b"\n")
        if at >= 0:
            os.ftruncate(fd, start + at + 1)
            return
        end = start
    os.ftruncate(fd, 0)
