"""Who was last heard when: nodes send their names by UDP every few milliseconds, the kernel says when each came.

`python -m benchmarks.common.beats ADDRESS PORT` answers each line on stdin with one of JSON: {node: [last, gaps…]},
`last` in seconds since the epoch, gaps between beats in seconds, since the line before.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from typing import Any, Self

EVERY = 0.005  # seconds between two beats of a node
PORT = 9999
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33  # asm-generic/socket.h
SENDER = f'''"""Says that it is there."""
import os, socket, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name, to, due = os.environ["NAME"].encode(), ("GATEWAY", {PORT}), time.monotonic()
while True:
    try:
        out.sendto(name, to)
    except OSError:
        pass
    due = max(due + {EVERY}, time.monotonic() - {EVERY})
    time.sleep(max(0.0, due - time.monotonic()))
'''

Heard = dict[str, tuple[float, list[float]]]


class Listener:
    """The program as a process of its own, so that whatever is measured here does not keep it from listening."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-m", "benchmarks.common.beats", address, str(PORT)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def heard(self) -> Heard:
        """Since the call before."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: dict[str, list[Any]] = json.loads(self._process.stdout.readline())
        return {name: (last, gaps) for name, (last, *gaps) in found.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(5)


def listen(address: str, port: int) -> None:
    last: dict[str, float] = {}
    since: dict[str, list[float]] = defaultdict(list)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox, selectors.DefaultSelector() as either:
        inbox.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        with suppress(PermissionError):
            inbox.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        inbox.bind((address, port))
        either.register(inbox, selectors.EVENT_READ)
        either.register(sys.stdin, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in either.select()}
            if inbox in ready:
                data, (stamp, *_), _, _ = inbox.recvmsg(64, 64)
                seconds, nanos = struct.unpack("qq", stamp[2][:16])
                name, now = data.decode(), seconds + nanos / 1e9
                if name in last:
                    since[name].append(round(now - last[name], 6))
                last[name] = now
            elif ready:
                if not sys.stdin.readline():
                    return
                print(json.dumps({name: [last[name], *gaps] for name, gaps in since.items()}), flush=True)
                since.clear()


if __name__ == "__main__":
    listen(sys.argv[1], int(sys.argv[2]))
