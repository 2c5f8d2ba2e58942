"""The registry of this user's runs on this machine, and the halt that ends all of them and blocks new ones.

Both are files in the user's own state folder, so it does not matter where a run was started: halt.json (who, when,
why), and runs/PID-STARTED.json for each run.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from chaos import jsonfile
from chaos.crash import state
from chaos.errors import ChaosError, Halted
from chaos.targets import procfs
from chaos.targets.box import box


class Running(msgspec.Struct, frozen=True):
    """One `chaos run`. Pid, start time and boot identify a process for good: a reused pid does not match."""

    pid: int
    started: int  # clock ticks since boot
    boot: str
    what: str  # experiment, seed, target
    since: str  # UTC
    folder: str  # working directory in which it was started

    @property
    def words(self) -> str:
        return f"{self.what}, since {self.since}, pid {self.pid}, in {self.folder}"


class Halt(msgspec.Struct, frozen=True):
    who: str = "somebody"
    when: str = "some time"
    why: str = ""

    @property
    def words(self) -> str:
        return f"halted by {self.who} at {self.when}" + (f": {self.why}" if self.why else "")


@contextlib.contextmanager
def admitted(what: str) -> Iterator[None]:
    """Register this run while the block lasts. Raises Halted. Inside a box, the process that made the box is
    registered.

    It registers first and checks for a halt second: a halt in between finds this run, an earlier halt is found by it.
    """
    if box.inside():
        yield
        return
    place = _register(what)
    try:
        if found := halted():
            raise Halted(f"{found.words}; no run begins until `chaos resume`")
        yield
    finally:
        if place:
            place.unlink(missing_ok=True)


def _register(what: str) -> Path | None:
    me = procfs.read(os.getpid())
    try:
        if me is None:
            raise OSError(None, "there is no /proc to identify processes by")
        mine = Running(me.pid, me.started, procfs.boot(), what, _now(), os.getcwd())
        place = _folder("runs") / f"{me.pid}-{me.started}.json"
        _write(place, mine)
    except OSError as e:  # the home folder is not writable, which is no reason not to run
        why = f"{state()}: {e.strerror}; set XDG_STATE_HOME"
        print(f"chaos: `chaos halt` will not reach this run: {why}", file=sys.stderr)
        return None
    return place


def halted() -> Halt | None:
    """The halt in force, or None. An unreadable halt file counts as a halt; a state folder of another user does not."""
    try:
        return jsonfile.read(state() / "halt.json", Halt)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, jsonfile.Unreadable):
        return Halt(why=f"{state() / 'halt.json'} cannot be read")


def halt(why: str) -> Halt:
    """Block new runs from now on. Raises ChaosError."""
    found = Halt(f"{_user()} on {socket.gethostname()}", _now(), why)
    try:
        _write(_folder() / "halt.json", found)
    except OSError as e:
        why = f"{state()}: cannot be written ({e.strerror}), so nothing was halted"
        raise ChaosError(f"{why}; set XDG_STATE_HOME") from None
    return found


def resume() -> Halt | None:
    """End the halt and return it, or None if there was none. Raises ChaosError."""
    found = halted()
    try:
        (state() / "halt.json").unlink(missing_ok=True)
    except OSError as e:
        raise ChaosError(f"{state() / 'halt.json'}: cannot be removed ({e.strerror})") from None
    return found


def running() -> list[Running]:
    """All registered runs that are still alive, the oldest first."""
    found = []
    for place in (state() / "runs").glob("*.json"):
        try:
            run = jsonfile.read(place, Running)
        except (OSError, jsonfile.Unreadable):  # it has ended in the meantime, or belongs to another user
            continue
        if alive(run):
            found.append(run)
        else:
            place.unlink(missing_ok=True)
    return sorted(found, key=lambda run: (run.since, run.pid))


def alive(run: Running) -> bool:
    proc = procfs.read(run.pid)
    return proc is not None and proc.started == run.started and run.boot == procfs.boot()


def end(run: Running) -> None:
    """Ask a run to heal and end, even if it is stopped (SIGSTOP).

    A process that has reused its pid is not signalled.
    """
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(run.pid)  # refers to this process and to no later one, so the check below stays valid
        try:
            if alive(run):
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                signal.pidfd_send_signal(handle, signal.SIGCONT)
        finally:
            os.close(handle)


def _folder(name: str = "") -> Path:
    found = state() / name
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found


def _write(place: Path, value: Running | Halt) -> None:
    fresh = place.with_suffix(f".{os.getpid()}")
    with fresh.open("wb") as out:
        out.write(msgspec.json.encode(value) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(place)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a user name
        return f"uid {os.getuid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
