"""Who runs chaos for this user on this machine, and the halt that ends them all and lets nobody begin.

Both are files in the user's own state folder, so it does not matter from where a run was started:
halt.json (who, when, why) and runs/PID-STARTED.json, one a run.
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

from chaos.errors import ChaosError, Halted
from chaos.targets import box, census


class Running(msgspec.Struct, frozen=True):
    """One `chaos run`. Pid, start and boot together name one process for ever: no other that was given its pid."""

    pid: int
    started: int  # clock ticks since boot
    boot: str
    what: str  # experiment, seed, target
    since: str  # UTC
    folder: str  # that it was started in

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


def state() -> Path:
    """$XDG_STATE_HOME/chaos. A relative one is to be ignored, says the XDG Base Directory specification."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path(os.path.expanduser("~/.local/state"))
    return base / "chaos" if base.is_absolute() else Path("/nonexistent/chaos")  # a user without a home


@contextlib.contextmanager
def admitted(what: str) -> Iterator[None]:
    """Registered while the block lasts. Raises Halted. Inside a box it is whoever made it that is registered.

    First registered, then asked: a halt that comes between finds us, one that came before is found.
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
    me = census.read(os.getpid())
    try:
        if me is None:
            raise OSError(None, "there is no /proc to say which process is which")
        mine = Running(me.pid, me.started, _boot(), what, _now(), os.getcwd())
        place = _folder("runs") / f"{me.pid}-{me.started}.json"
        _write(place, mine)
    except OSError as e:  # a home of nobody's: no reason not to run
        why = f"{state()}: {e.strerror}; set XDG_STATE_HOME"
        print(f"chaos: `chaos halt` will not reach this run: {why}", file=sys.stderr)
        return None
    return place


def halted() -> Halt | None:
    """The halt in force. A file that makes no sense halts too; a folder of somebody else's holds no halt of ours."""
    try:
        return msgspec.json.decode((state() / "halt.json").read_bytes(), type=Halt)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, msgspec.MsgspecError):
        return Halt(why=f"{state() / 'halt.json'} cannot be read")


def halt(why: str) -> Halt:
    """From now on nobody begins. Raises ChaosError."""
    found = Halt(f"{_user()} on {socket.gethostname()}", _now(), why)
    try:
        _write(_folder() / "halt.json", found)
    except OSError as e:
        why = f"{state()}: cannot be written ({e.strerror}), so nothing was halted"
        raise ChaosError(f"{why}; set XDG_STATE_HOME") from None
    return found


def resume() -> Halt | None:
    """Ends the halt; returns it, None where there was none. Raises ChaosError."""
    found = halted()
    try:
        (state() / "halt.json").unlink(missing_ok=True)
    except OSError as e:
        raise ChaosError(f"{state() / 'halt.json'}: cannot be removed ({e.strerror})") from None
    return found


def running() -> list[Running]:
    """Every run that is registered and still there, the oldest first."""
    found = []
    for place in (state() / "runs").glob("*.json"):
        try:
            run = msgspec.json.decode(place.read_bytes(), type=Running)
        except (OSError, msgspec.MsgspecError):  # ended meanwhile, or not ours
            continue
        if alive(run):
            found.append(run)
        else:
            place.unlink(missing_ok=True)
    return sorted(found, key=lambda run: (run.since, run.pid))


def alive(run: Running) -> bool:
    proc = census.read(run.pid)
    return proc is not None and proc.started == run.started and run.boot == _boot()


def end(run: Running) -> None:
    """Ask it to heal and end, also if somebody stopped it. Nobody who was given its pid meanwhile is signalled."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(run.pid)  # names that process and no later one, so the look below stays true
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
    except (KeyError, OSError):  # a uid without a name
        return f"uid {os.getuid()}"


def _boot() -> str:
    """Pids and ticks start anew with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
