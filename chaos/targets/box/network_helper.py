"""The network helper of the embedded target: a process of the box."""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
import time
import weakref
from typing import IO


class Pipe:
    """The helper as a process of the box that ends with this process."""

    def __init__(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the helper lasts)
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "chaos.helper"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, bufsize=0,
        )  # fmt: skip
        self._heard = b""
        self.close = weakref.finalize(self, _end, self._process, self._complaints)  # idempotent

    @property
    def errors(self) -> bytes:
        self._complaints.seek(0)
        return self._complaints.read()

    def write_line(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")

    def read_line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("no answer in time")
            if not (more := self._process.stdout.read(65536)):
                return b""
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line


def _end(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    with complaints, process:  # closes its input, which ends it, and waits
        pass
