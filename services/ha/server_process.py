"""A server as a child process: it dies with its parent, its last output is kept, and `kill` ends all of its
processes.
"""

import asyncio
import collections
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.common.log import log

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """One run of a server whose processes all work in `folder` (PostgreSQL and Valkey change into their data)."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._said: collections.deque[str] = collections.deque(maxlen=12)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "Child":
        bury_strays()
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=_die_with_parent,
        )
        return cls(process, folder)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def last_words(self) -> str:
        return " | ".join(self._said) or "nothing"

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def ended(self, limit_s: float) -> bool:
        """Wait until the process has ended; False if it has not within `limit_s`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), limit_s)
        return not self.alive

    async def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(ValueError):  # a line beyond the stream's limit must not end the server
            while line := await stream.readline():
                text = line.decode(errors="replace").rstrip()
                self._said.append(text)
                log("server", line=text)


def clear(folder: Path, *, wait_s: float = 0.1) -> list[int]:
    """SIGKILL every process that works in `folder`; returns the pids that still exist after `wait_s`.

    By folder and not by parent, because that also finds what an earlier, killed supervisor has left. Blocks: between
    the loss of the lease and the end of the server nothing else may run.
    """
    until = time.monotonic() + wait_s
    while pids := _working_in(folder):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return pids
        time.sleep(0.002)
    return []


def bury_strays() -> None:
    """Reap orphans of a killed server, which pid 1 of a container inherits. Only while we have no child of our own."""
    if os.getpid() == 1:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _working_in(folder: Path) -> list[int]:
    own, found = os.getpid(), []
    wanted = os.path.realpath(folder)
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit() and int(name) != own:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{name}/cwd").removesuffix(" (deleted)") == wanted:
                    found.append(int(name))
    return found


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
