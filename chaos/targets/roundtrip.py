"""Measures round trips to an address, by asking a port without a listener, which the kernel there refuses.

Run in the network of the asking node, with the standard library alone: `roundtrip.py ADDRESS COUNT SECONDS`, by path or
as text. All packets are sent at once. It prints the milliseconds of those answered in time, one a line, the shortest
first. A frozen node answers as well, because this measures the network and no program.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
import time

PORT = 1  # tcpmux: unused for decades; a listener there would answer as fast
_NO_OR_YES = (errno.ECONNREFUSED, 0)  # any other result does not come from the node


def main(address: str, count: int, seconds: float) -> None:
    began: dict[int, float] = {}
    asked: dict[int, socket.socket] = {}
    look = select.poll()
    for _ in range(count):
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setblocking(False)
        began[one.fileno()] = time.monotonic()
        one.connect_ex((address, PORT))
        asked[one.fileno()] = one
        look.register(one, select.POLLOUT | select.POLLERR | select.POLLHUP)
    end = time.monotonic() + seconds  # before the kernel retries by itself, which takes a second
    found = []
    while asked and (rest := end - time.monotonic()) > 0:
        for fd, _ in look.poll(1000 * rest):
            now = time.monotonic()
            look.unregister(fd)
            with asked.pop(fd) as one:
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in _NO_OR_YES:
                    found.append(1000 * (now - began[fd]))
    for ms in sorted(found):
        print(f"{ms:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
