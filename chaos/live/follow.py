"""A run's files while they grow: read only, whole lines only, from any process."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaos.errors import ChaosError
from chaos.live.state import Live
from chaos.model import Event, Op
from chaos.plan import Plan


@dataclass
class Look:
    anew: bool  # the file is another one than last time: forget what it said
    lines: list[bytes]
    written: float  # when it was last written, seconds since the epoch


class Growing:
    """One look costs what was written since the last one."""

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
        """While it is open its inode is nobody else's, so another inode under its name is another file."""
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
    """The state of the run in `folder`, as its files have it at the last look. Raises ChaosError if it has no plan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            plan = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
        except (OSError, msgspec.MsgspecError) as e:
            raise ChaosError(f"{folder}: cannot be watched, its plan.json cannot be read ({e}); name a run's folder, "
                             "see `chaos list --runs`") from None  # fmt: skip
        self.live = Live(plan)
        self._journal, self._ops = Growing(folder / "journal.jsonl"), Growing(folder / "ops.jsonl")
        self._event, self._op = msgspec.json.Decoder(Event), msgspec.json.Decoder(Op)
        self._told = self._read = 0  # events told ever, events read of the file as it is now
        self._zero: float | None = None  # when t = 0 is, seconds since the epoch
        self._began: float | None = None  # when the run began, likewise

    def look(self) -> list[Event]:
        """Read on; what the journal has said since. What is only written anew, with other times, is not said again."""
        events = self._look_at_events()
        self._look_at_ops()
        return events

    def _look_at_events(self) -> list[Event]:
        look = self._journal.look()
        if look.anew:
            self.live.begin_events()
            self._read = 0
        events = [self._event.decode(line) for line in look.lines]
        for event in events:
            self.live.tell(event)
        told = [e for e in events if e.kind != "load.start"]  # it says when it began, not when it was written
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
        for line in look.lines:
            op = self._op.decode(line)
            self.live.op(op)
            if op.op != "readback":
                self._zero = look.written - op.end

    def now(self, clock: float) -> float | None:
        """`clock`, seconds since the epoch, on the run's timeline; None before the load has begun."""
        return None if self._zero is None else clock - self._zero

    def since(self, clock: float) -> float:
        """Seconds since the run began, as far as it is known."""
        return 0.0 if self._began is None else clock - self._began

    def close(self) -> None:
        self._journal.close()
        self._ops.close()
