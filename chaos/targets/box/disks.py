"""Volumes of nodes in the box: an in-memory file system for each, so that they can be full independently.

A volume is filled by limiting its size to its content: nothing is written, and its files stay.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from chaos.errors import TargetError
from chaos.targets.box import init
from chaos.targets.procfs import Proc

SIZE = 512 << 20  # maximum size of a volume in bytes; only its content uses memory
_MS_REMOUNT, _MNT_DETACH = 32, 2
_FILLER, _LOOK = ".chaos-full", ".chaos-look"
_MOST = 16 * 4096  # bytes that a check tries to write


def make(place: Path) -> None:
    """Mount a volume at an existing folder, unless there is one already. Raises OSError."""
    if not os.path.ismount(place):
        init.mount("tmpfs", str(place), "tmpfs", data=f"mode=0755,size={SIZE}")


def remove_below(folder: Path) -> None:
    """Unmount the volumes below `folder`, so that the folders can be removed."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        places = [line.split()[4] for line in f]
    for place in places:
        if Path(place).is_relative_to(folder):
            init._libc.umount2(place.encode(), _MNT_DETACH)


def fill(place: Path) -> None:
    """Limit the volume to its content. Raises TargetError."""
    with suppress(OSError), open(place / _FILLER, "xb") as filler:
        filler.write(b"\0")  # a size of zero would mean no limit
    for _ in range(100):  # a concurrent write makes the size too small
        found = os.statvfs(place)
        with suppress(OSError):
            return _resize(place, (found.f_blocks - found.f_bfree) * found.f_frsize)
    raise TargetError(f"{place}: it was written to so fast that it could not be filled")


def drain(place: Path) -> None:
    if os.path.ismount(place):
        _resize(place, SIZE)
        (place / _FILLER).unlink(missing_ok=True)


def is_small(place: Path) -> bool:
    """Whether its size has been limited."""
    if not os.path.ismount(place):
        return False
    found = os.statvfs(place)
    return found.f_blocks * found.f_frsize < SIZE


def is_full(place: Path, root: Proc | None) -> bool:
    """Whether a write fails for lack of space, in the file system as seen by the node with this root."""
    seen = Path(f"/proc/{root.pid}/root{place}" if root else place)
    look = seen / _LOOK
    try:
        with open(look, "wb", buffering=0) as f:
            return any(f.write(bytes(4096)) < 4096 for _ in range(_MOST // 4096))
    except OSError as e:
        return e.errno == errno.ENOSPC
    finally:
        with suppress(OSError):
            look.unlink()


def _resize(place: Path, size: int) -> None:
    init.mount("tmpfs", str(place), "tmpfs", _MS_REMOUNT, f"size={size}")
