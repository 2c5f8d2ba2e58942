"""A container's standard streams over an attached socket of the engine: writes lines, reads frames, with time-outs."""

from __future__ import annotations

import select
import struct
import time
import weakref
from typing import Any

_FRAME = struct.Struct(">BxxxI")  # 1 is stdout, 2 is stderr; then the number of bytes that follow
STDOUT, STDERR = 1, 2


class Stream:
    """The result of `attach_socket` or `exec_start(socket=True)`. Methods block, and raise TimeoutError."""

    def __init__(self, attached: Any) -> None:
        self._socket = getattr(attached, "_sock", attached)
        self.close = weakref.finalize(self, _close, attached, self._socket)  # idempotent
        self._bytes = b""
        self._out = b""
        self.errors = b""  # output on stderr

    def write_line(self, line: bytes) -> None:
        self._socket.sendall(line + b"\n")

    def read_line(self, deadline: float) -> bytes:
        """The next line of stdout, b"" at its end. `deadline` is on time.monotonic()."""
        while b"\n" not in self._out:
            if not self._read_frame(deadline):
                return b""
        line, _, self._out = self._out.partition(b"\n")
        return line

    def read_all(self, deadline: float) -> bytes:
        """Everything on stdout and stderr, in order, until the program has closed them."""
        everything = b""
        while frame := self._read_frame(deadline):
            everything += frame
        return everything

    def _read_frame(self, deadline: float) -> bytes:
        header = self._read(_FRAME.size, deadline)
        if not header:
            return b""
        kind, length = _FRAME.unpack(header)
        body = self._read(length, deadline)
        if kind == STDERR:
            self.errors += body
        else:
            self._out += body
        return body

    def _read(self, length: int, deadline: float) -> bytes:
        while len(self._bytes) < length:
            if not select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("no answer in time")
            if not (more := self._socket.recv(65536)):
                return b""
            self._bytes += more
        found, self._bytes = self._bytes[:length], self._bytes[length:]
        return found


def _close(*connected: Any) -> None:
    for one in connected:
        one.close()
