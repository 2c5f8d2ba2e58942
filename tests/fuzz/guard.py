"""What no input may do: take longer than 10 s, more than 500 MB, write elsewhere, or start a program."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

SECONDS = 10.0  # of processor time, so that a busy machine does not count
MEMORY = 500 << 20  # bytes on top of what the process has
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {  # audit event: which of its arguments are paths that change
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.link": (1,), "os.symlink": (1,),
    "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,), "os.utime": (0,), "shutil.rmtree": (0,),
    "sqlite3.connect": (0,),
}  # fmt: skip
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn", "socket.connect")


class Broken(BaseException):
    """A rule was broken. No `except Exception` may swallow it."""


class _Watch:
    """The places that may be written to, while a block lasts; None outside of one."""

    def __init__(self) -> None:
        self.allowed: Sequence[str] | None = None
        self.starts: Sequence[str] = ()
        self.found: list[str] = []
        self.installed = False

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open":
            path, mode, flags = args
            writes = flags & _WRITES if isinstance(flags, int) else mode and set(mode) & set("wax+")
            if writes and not isinstance(path, int):
                self._look(event, path)
        elif event in _PATHS:
            for n in _PATHS[event]:
                self._look(event, args[n])
        elif event in _PROGRAMS and not (event == "subprocess.Popen" and args[0] in self.starts):
            self._broken(f"{event} of {str(args)[:200]}")

    def _look(self, event: str, path: Any) -> None:
        text = os.path.abspath(os.fsdecode(path)) if path != ":memory:" else os.devnull
        if text != os.devnull and not any(
            text == place or text.startswith(place + "/") for place in self.allowed or ()
        ):
            self._broken(f"{event} of {text[:200]!r}, outside of {self.allowed}")

    def _broken(self, words: str) -> None:
        self.found.append(words)
        raise Broken(words)


_WATCH = _Watch()


@contextmanager
def guarded(*allowed: Path, starts: Sequence[str] = ()) -> Iterator[None]:
    """The block keeps all rules, writes below `allowed` and starts programs of these names only.

    Raises AssertionError. For the main thread.
    """
    if not _WATCH.installed:  # an audit hook can never be taken out again
        sys.addaudithook(_WATCH.hear)
        _WATCH.installed = True
    _WATCH.found.clear()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, _too_long)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_size() + MEMORY, hard))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        _WATCH.starts = starts
        _WATCH.allowed = [str(path) for path in allowed]
        yield
    except Broken as e:
        raise AssertionError(str(e)) from e
    except MemoryError as e:
        raise AssertionError(f"more than {MEMORY >> 20} MB") from e
    finally:
        _WATCH.allowed = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)
    assert not _WATCH.found, _WATCH.found


def _too_long(number: int, frame: FrameType | None) -> None:
    raise Broken(f"more than {SECONDS:g} s in\n{''.join(traceback.format_stack(frame)[-3:])}")


def _size() -> int:
    """Bytes of address space."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
