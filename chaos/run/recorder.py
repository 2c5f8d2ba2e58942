"""Writes journal.jsonl. Only this module reads the clock to date an event."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from chaos.errors import ChaosError
from chaos.model import Event
from chaos.redaction import Hider

# On disk before the change is made, so that after a crash the next command knows what may be broken.
SYNCED = ("step.", "fault.", "operator.start", "run.")


class Recorder:
    """A Sink. Until `zero` is called, t counts from the first event; then the file is rewritten to count from t0.

    Values that `hider` knows as secrets are not written.
    """

    def __init__(
        self, path: Path, tell: Callable[[Event], None] = lambda event: None, hider: Hider | None = None
    ) -> None:
        self._path, self._tell, self._hide = path, tell, (hider or Hider(())).all
        self._file = path.open("ab", buffering=0)
        self._encode = msgspec.json.Encoder().encode
        self._zero = asyncio.get_running_loop().time()
        self._early: list[Event] | None = []
        self._unwritten = b""
        self._full = False

    def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None:
        """Append one event; `t` is its time on the timeline (default: now).

        Raises ChaosError once if the disk is full.
        """
        now = asyncio.get_running_loop().time() - self._zero if t is None else t
        event = Event(round(now, 6), kind, subject, self._hide(data))
        if self._early is not None:
            self._early.append(event)
        self._write(self._encode(event) + b"\n", kind.startswith(SYNCED))
        self._tell(event)

    def zero(self, t0: float) -> None:
        """Set the start of the timeline to loop time `t0`. Earlier events get their (negative) times on it."""
        assert self._early is not None, "the timeline starts once"
        early = [msgspec.structs.replace(e, t=round(e.t + self._zero - t0, 6)) for e in self._early]
        self._zero, self._early = t0, None
        rewritten = self._path.with_suffix(".new")
        with rewritten.open("wb") as out:
            out.write(b"".join(self._encode(e) + b"\n" for e in early))
            out.flush()
            os.fsync(out.fileno())
        self._file.close()
        rewritten.replace(self._path)
        _sync_folder(self._path.parent)
        self._file = self._path.open("ab", buffering=0)

    def _write(self, line: bytes, sync: bool) -> None:
        """Write a line. If the disk is full, lines wait for space: the first failure raises ChaosError, later ones do
        not.
        """
        self._unwritten += line
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[self._file.write(self._unwritten) :]
            if sync:
                os.fsync(self._file.fileno())
        except OSError as e:
            if not self._full:
                self._full = True
                raise ChaosError(
                    f"{self._path}: the journal cannot be written ({e.strerror}); the run ends here. "
                    "Make room, or put runs elsewhere with --runs DIR"
                ) from None

    def close(self) -> None:
        """Flush and close. Events that could not be written to disk are printed to standard error."""
        try:
            self._write(b"", True)
        except ChaosError as e:
            print(e, file=sys.stderr)
        if self._unwritten:
            print(f"Lines that {self._path} had no room for:", file=sys.stderr)
            print(self._unwritten.decode(), file=sys.stderr, end="")
        self._file.close()


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that the renamed file survives a power loss."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
