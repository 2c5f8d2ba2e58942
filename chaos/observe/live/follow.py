"""Follows a run's files while they grow. It only reads, only whole lines, and works from any process."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from chaos import jsonfile
from chaos.errors import ChaosError
from chaos.model import Event, Op
from chaos.observe.live.state import Live
from chaos.record import lines, older

T = TypeVar("T")


@dataclass
class Look:
    anew: bool  # the file was replaced since the last time: discard what it said
    lines: list[bytes]
    written: float  # when it was last written, seconds since the epoch


class Growing:
    """A growing file. Each read costs only what was written since the previous one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedReader | None = None
        self._at = 0  # bytes read so far, up to the end of a line

    def look(self) -> Look:
        anew = self._reopen()
        if self._file is None:
            return Look(anew, [], 0.0)
        self._file.seek(self._at)
        *lines, torn = self._file.read().split(b"\n")
        self._at = self._file.tell() - len(torn)
        return Look(anew, [line for line in lines if line], os.fstat(self._file.fileno()).st_mtime)

    def _reopen(self) -> bool:
        """Reopen the file if it was replaced. While it is open its inode is not reused, so another inode is another
        file.
        """
        with contextlib.suppress(FileNotFoundError):
            if self._file is not None:
                found, ours = os.stat(self._path), os.fstat(self._file.fileno())
                if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino) and found.st_size >= self._at:
                    return False
                self.close()
            self._file, self._at = self._path.open("rb"), 0
            return True
        self.close()
        return False

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None


class Follow:
    """The state of the run in `folder`, according to its files. Raises ChaosError if it has no plan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            plan = older.plan(folder / "plan.json")
        except (OSError, jsonfile.Unreadable) as e:
            raise ChaosError(f"{folder}: cannot be watched, its plan.json cannot be read ({e}); name a run's folder, "
                             "see `chaos list --runs`") from None  # fmt: skip
        self.live = Live(plan)
        self._journal, self._ops = Growing(folder / "journal.jsonl"), Growing(folder / "ops.jsonl")
        self._op = msgspec.json.Decoder(Op)
        self._told = self._read = 0  # events reported so far, and events read from the file as it is now
        self._zero: float | None = None  # seconds since the epoch at t = 0
        self._began: float | None = None  # seconds since the epoch at the start of the run

    def look(self) -> list[Event]:
        """Read on, and return new journal events. Events that were only rewritten with other times are not repeated."""
        events = self._look_at_events()
        self._look_at_ops()
        return events

    def _look_at_events(self) -> list[Event]:
        look = self._journal.look()
        if look.anew:
            self.live.begin_events()
            self._read = 0
        events = list(_readable(lines.event, look.lines))
        for event in events:
            self.live.tell(event)
        told = [e for e in events if e.kind != "load.start"]  # its time is when it started, not when it was written
        if told and self.live.on_timeline:
            self._zero = look.written - told[-1].t
        elif told:
            self._began = look.written - told[-1].t
        known = max(0, self._told - self._read)
        self._read += len(events)
        self._told = max(self._told, self._read)
        return events[known:]

    def _look_at_ops(self) -> None:
        look = self._ops.look()
        if look.anew:
            self.live.begin_ops()
        for op in _readable(self._op.decode, look.lines):
            self.live.op(op)
            if op.op != "readback":
                self._zero = look.written - op.end

    def now(self, clock: float) -> float | None:
        """`clock`, seconds since the epoch, on the run's timeline; None before the load has started."""
        return None if self._zero is None else clock - self._zero

    def since(self, clock: float) -> float:
        """Seconds since the start of the run, as far as it is known."""
        return 0.0 if self._began is None else clock - self._began

    def close(self) -> None:
        self._journal.close()
        self._ops.close()


def _readable(decode: Callable[[bytes], T], found: Iterable[bytes]) -> Iterator[T]:
    """The valid lines. The verdict reports the invalid ones."""
    for line in found:
        with contextlib.suppress(*lines.UNREAD):
            yield decode(line)
