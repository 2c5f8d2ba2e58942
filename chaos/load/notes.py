"""What a load's process noticed about itself: load.jsonl, which the harness copies into the journal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chaos.model import Note

BLOCKED = "blocked"  # its event loop stood still: no user could do anything
DIED = "died"  # a user's class raised before its first task, so the user is gone
UNFINISHED = "unfinished"  # a user was inside a task, and had been waiting for something, when the load ended


class Notebook:
    """Appends notes to load.jsonl. Both the event loop and a native thread may write: a line is one write(2)."""

    def __init__(self, path: Path, t0: float) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._t0 = t0

    def write(
        self, kind: str, at: float, seconds: float | None = None, what: str = "", where: Sequence[str] = ()
    ) -> None:
        """`at` is on CLOCK_MONOTONIC. A later note with the same kind, time and `what` replaces an earlier one."""
        note = Note(round(at - self._t0, 6), kind, None if seconds is None else round(seconds, 3), what, tuple(where))
        with contextlib.suppress(OSError):  # a full disk is reported by the operations
            os.write(self._fd, msgspec.json.encode(note) + b"\n")


def read(path: Path) -> Sequence[Note]:
    """The notes, in order of time; none if there is no file. A line that was cut off is left out."""
    found: dict[tuple[float, str, str], Note] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    for line in lines[:-1]:
        try:
            note = msgspec.json.decode(line, type=Note)
        except msgspec.MsgspecError:
            continue
        earlier = found.get((note.t, note.kind, note.what))
        if earlier is not None and not note.where:
            note = msgspec.structs.replace(note, where=earlier.where)
        found[note.t, note.kind, note.what] = note
    return sorted(found.values(), key=lambda note: (note.t, note.kind, note.what))
