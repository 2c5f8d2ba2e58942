"""How long a packet takes to an address and back: asks a port that nobody listens at, and the kernel there says no.

Run in the network of the node that asks, with the standard library alone: `roundtrip.py ADDRESS COUNT SECONDS`, by
path or by its text. All packets go out at once; it prints the milliseconds of those that were answered in time, one a
line, the shortest first. A node that is frozen answers as well: it is the network that is measured, and no program.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
import time

PORT = 1  # tcpmux: nobody's for decades; one that does listen answers as fast
_NO_OR_YES = (errno.ECONNREFUSED, 0)  # anything else is not the node's own word


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
    end = time.monotonic() + seconds  # sooner than the kernel asks again by itself, which takes a second
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
