"""The kernel's nft tables here, or in the network namespace of process PID: a line of JSON for each line of input.

`tables.py PID` enters the namespaces itself: whoever is started inside them by a user would have no capability there.
Speaks netlink itself and shares no code with the harness's helper, whose work it looks at.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys

_GETTABLE, _DUMP, _NAME = (10 << 8) | 1, 0x301, 1  # NFNL_SUBSYS_NFTABLES | NFT_MSG_GETTABLE; REQUEST | DUMP
_ERROR, _DONE = 2, 3


def tables() -> list[str]:
    """Names of all tables of all families. Raises OSError where they may not be read."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:  # NETLINK_NETFILTER
        s.send(struct.pack("=IHHIIBBH", 20, _GETTABLE, _DUMP, 1, 0, 0, 0, 0))
        found: list[str] = []
        while True:
            data = s.recv(1 << 16)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _DONE:
                    return sorted(found)
                if kind == _ERROR:
                    raise OSError(-struct.unpack_from("=i", data, 16)[0], "the kernel does not list its nft tables")
                found.append(_name(data[20:length]))
                data = data[(length + 3) & ~3 :]


def _name(attributes: bytes) -> str:
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind & 0x3FFF == _NAME:
            return attributes[4:length].rstrip(b"\0").decode()
        attributes = attributes[(length + 3) & ~3 :]
    return "?"


def enter(pid: str) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    places = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("user", "net")]
    for fd in places:
        if libc.setns(fd, 0):
            raise OSError(ctypes.get_errno(), f"the namespaces of process {pid} may not be entered")
        os.close(fd)


if __name__ == "__main__":
    enter(sys.argv[1])
    for _ in sys.stdin:
        print(json.dumps(tables()), flush=True)
