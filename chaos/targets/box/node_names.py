"""Hides names from a node of the box, or restores them, by mounts in the node's mount namespace.

Run by path in that namespace with the standard library alone: `node_names.py hide HOSTS RESOLV` or `node_names.py show
HOSTS RESOLV`. Idempotent.
"""

from __future__ import annotations

import ctypes
import os
import sys

MS_BIND, MNT_DETACH = 4096, 2
PLACES = ("/etc/hosts", "/etc/resolv.conf")
_libc = ctypes.CDLL(None, use_errno=True)


def covered(file: str, place: str) -> bool:
    return os.path.exists(place) and os.path.samefile(file, place)


def call(result: int, place: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), place)


def main(do: str, *files: str) -> None:
    for file, place in zip(files, map(os.path.realpath, PLACES), strict=True):
        if do == "hide" and os.path.exists(place) and not covered(file, place):
            call(_libc.mount(file.encode(), place.encode(), b"", MS_BIND, b""), place)
        while do == "show" and covered(file, place):
            call(_libc.umount2(place.encode(), MNT_DETACH), place)


if __name__ == "__main__":
    main(*sys.argv[1:])
