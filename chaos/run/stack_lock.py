"""The lock on a stack: one command at a time holds it. The kernel keeps the lock, a record names its holder.

The lock is an flock on KIND.lock in the stack's state folder. Processes that inherit its descriptor hold it too: the
part of a run inside a box, the watchdog of a run, and the command that the watchdog runs. The kernel releases the lock
when the last of them has ended. So no command starts while an earlier run is still being cleared up, and a killed
command leaves no lock behind. The record is stored in the file. A holder that ends normally empties it. A killed one
does not, and from its record the next holder learns what may have been left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from chaos import jsonfile
from chaos.errors import StackInUse, TargetError
from chaos.run.handover import received
from chaos.targets import procfs


class Holder(msgspec.Struct, frozen=True):
    """The holder of a lock. Pid, start time and boot identify a process for good. A pid inside a box has no meaning
    outside.
    """

    pid: int
    started: int  # clock ticks since boot
    boot: str
    what: str  # "chaos run node-kill, seed 7"
    since: str  # UTC
    run: str = ""  # the run's folder
    clearing: bool = False  # it is the watchdog of `what`, whose harness is gone
    cleared: bool = False  # its watchdog has cleared up after it; it may still exist if it only stalled
    left: Holder | None = None  # the previous holder, if it was killed and nothing has cleared up after it

    @property
    def words(self) -> str:
        where = f", {self.run}" if self.run else ""
        return f"{self.what} (pid {self.pid}, since {self.since}{where})"

    @property
    def alive(self) -> bool:
        """Whether that process is running, as far as this process can see."""
        proc = procfs.read(self.pid)
        return proc is not None and proc.started == self.started and self.boot == procfs.boot()


class StackLock:
    """The lock while it is held. `left` is the previous holder, if it was killed and nothing has cleared up after it.

    `mine`: this process took the lock; otherwise it inherited it, with `clearing` if it is a watchdog's command.
    """

    def __init__(self, descriptor: int, mine: bool, clearing: bool = False) -> None:
        self.descriptor, self._mine, self._clearing = descriptor, mine, clearing
        record = read_holder(descriptor)
        self.left = record.left if record else None

    def tell(self, run: Path) -> None:
        """Write the run's folder into the record."""
        if record := read_holder(self.descriptor):
            _write(self.descriptor, msgspec.structs.replace(record, run=str(run)))

    def cleared(self) -> None:
        """Record that nothing is left of the previous holder."""
        self.left = None
        if record := read_holder(self.descriptor):
            harness = msgspec.structs.replace(record.left or record, cleared=True) if self._clearing else record
            _write(self.descriptor, msgspec.structs.replace(harness, left=None))

    def hand_over(self) -> None:
        """Leave the clean-up after this command to its watchdog, or to the next holder."""
        record = read_holder(self.descriptor)
        if record and not self._clearing:
            _write(self.descriptor, msgspec.structs.replace(record, left=msgspec.structs.replace(record, left=None)))

    def release(self) -> None:
        """Release the lock. The process that took it records what remains to be cleared up."""
        record = read_holder(self.descriptor)
        if self._mine and record and record.pid == os.getpid():
            _write(self.descriptor, record.left)
        os.close(self.descriptor)


@contextlib.contextmanager
def held(folder: Path, kind: str, what: str) -> Iterator[StackLock]:
    """Hold the stack whose state is in `folder` on target `kind` while the block lasts, for a command called `what`.

    A command that inherited the lock continues to hold it. Raises StackInUse, TargetError.
    """
    inherited = _inherited(folder, kind)
    lock = _taken(_open(folder, kind), kind, what) if inherited is None else _joined(inherited)
    try:
        yield lock
    finally:
        lock.release()


def holder(folder: Path, kind: str) -> Holder | None:
    """The holder of the stack, as far as the record and the visible processes show. Does not take the lock."""
    try:
        descriptor = os.open(folder / f"{kind}.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = read_holder(descriptor)
    finally:
        os.close(descriptor)
    return found if found and found.alive else None


def take_over() -> None:
    """Called by a watchdog whose harness is gone: the record of the inherited lock names the watchdog from now on."""
    descriptor = received().lock
    if descriptor is not None and (record := read_holder(descriptor)):
        me = _me(os.getpid(), record.what, record)
        _write(descriptor, msgspec.structs.replace(me, run=record.run, clearing=True))


def end_watchdog(found: Holder | None) -> None:
    """End a watchdog that is clearing up, together with its command. No other holder is signalled."""
    if found is None or not found.clearing:
        return
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(found.pid)  # as long as it is open, the pid is not reused
        try:
            if found.alive:
                os.killpg(found.pid, signal.SIGTERM)  # it leads its own session
        finally:
            os.close(handle)


def _open(folder: Path, kind: str) -> int:
    """Open a file to lock. If none can be written, another user's lock file or the stack's folder is used.

    Symbolic links are not followed: they come with the stack's files, and their target would be overwritten.
    """
    place = folder / f"{kind}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as e:
        _warn(f"{place}: {e.strerror}; other commands will not learn who holds the stack")
    try:
        return _existing(folder, kind)
    except OSError as e:
        raise TargetError(
            f"{e.filename}: cannot be locked ({e.strerror}); other users' commands on this stack "
            "would not be noticed. Give this user read access, or work on a copy of the folder"
        ) from None


def _existing(folder: Path, kind: str) -> int:
    try:
        return os.open(folder / f"{kind}.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _taken(descriptor: int, kind: str, what: str) -> StackLock:
    """Take the lock and write the record. Raises StackInUse."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found = read_holder(descriptor)
        os.close(descriptor)
        raise StackInUse(_refusal(found, kind), found) from None
    except OSError as e:
        _warn(f"this disk has no locks ({e.strerror}): a second command on the stack would not be refused")
    before = read_holder(descriptor)
    left = before.left if before and before.clearing else before
    left = None if left and left.cleared else left
    _write(descriptor, _me(os.getpid(), what, msgspec.structs.replace(left, left=None) if left else None))
    return StackLock(descriptor, mine=True)


def _refusal(found: Holder | None, kind: str) -> str:
    stack = f"the stack on target {kind} is in use"
    if found is None:
        return f"{stack} by a command that is starting or ending, or that could not write its name; try again"
    if found.clearing:
        return (f"{stack}: {found.what} was killed, and its watchdog (pid {found.pid}) is clearing up after it; "
                "wait for it, or end both with `chaos down`")  # fmt: skip
    if not found.alive:
        return f"{stack}: {found.what} was killed, and the clean-up after it is about to start; try again"
    return f"{stack} by {found.words}; wait for it, or end it with Ctrl-C there or with `chaos halt`, then try again"


def _warn(text: str) -> None:
    print(f"chaos: {text}", file=sys.stderr)


def _inherited(folder: Path, kind: str) -> int | None:
    """The descriptor that this process inherited, if it is for this stack."""
    if (descriptor := received().lock) is None:
        return None
    try:
        found, wanted = os.fstat(descriptor), _existing(folder, kind)
    except OSError:
        return None
    try:
        same = os.path.samestat(found, os.fstat(wanted))
    finally:
        os.close(wanted)
    return descriptor if same else None


def _joined(descriptor: int) -> StackLock:
    """The lock of a process that inherited it.

    For a watchdog's command, all of its harness's work is left to clear up.
    """
    return StackLock(descriptor, mine=False, clearing=received().clearing)


def _me(pid: int, what: str, left: Holder | None) -> Holder:
    proc = procfs.read(pid)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Holder(pid, proc.started if proc else 0, procfs.boot(), what, now, left=left)


def read_holder(descriptor: int) -> Holder | None:
    """The record; None if there is none or it cannot be read."""
    try:
        line = os.pread(descriptor, 1 << 16, 0).partition(b"\n")[0]
        return jsonfile.decode(line, Holder, "the lock")
    except (OSError, jsonfile.Unreadable):
        return None


def _write(descriptor: int, value: Holder | None) -> None:
    """Write the record as one line. Failures (a full disk, another user's file) are ignored."""
    line = msgspec.json.encode(value) + b"\n" if value else b"\n"
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, line, 0)
        os.ftruncate(descriptor, len(line))
