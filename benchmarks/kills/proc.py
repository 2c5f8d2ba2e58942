"""Processes as /proc has them, found by a mark in their environment, and signals that cannot hit another."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Proc:
    pid: int
    started: int  # clock ticks since boot: with the pid, its identity
    state: str  # R S D T Z ...
    command: str
    environ: frozenset[str]

    @property
    def identity(self) -> tuple[int, int]:
        return self.pid, self.started

    def value(self, name: str) -> str:
        return next((v for e in self.environ for k, _, v in [e.partition("=")] if k == name), "")


def marked(mark: str) -> list[Proc]:
    """Every process with `mark` in its environment, this one aside."""
    wanted = mark.encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError):
                environ = Path(f"/proc/{name}/environ").read_bytes()
                if wanted in environ and (proc := _read(int(name), environ)):
                    found.append(proc)
    return found


def _read(pid: int, environ: bytes) -> Proc | None:
    fields = _stat(pid)
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    if not fields or fields[0] in "ZX":
        return None
    variables = frozenset(environ.decode(errors="replace").split("\0"))
    return Proc(pid, int(fields[19]), fields[0], command, variables)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()


def send(procs: Iterable[Proc], number: signal.Signals) -> int:
    """Signal exactly these processes, whatever pids mean by now; how many there still were."""
    hit = 0
    for proc in procs:
        with suppress(ProcessLookupError, FileNotFoundError):
            fd = os.pidfd_open(proc.pid)
            try:
                if int(_stat(proc.pid)[19]) == proc.started:
                    signal.pidfd_send_signal(fd, number)
                    hit += 1
            finally:
                os.close(fd)
    return hit
