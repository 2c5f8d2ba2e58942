"""Volumes of nodes in the box: a file system in memory for each, so that one node's can be full and no other's.

Full is a size that leaves no room: nothing is written for it, and what was there stays.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from chaos.errors import TargetError
from chaos.targets import boxinit
from chaos.targets.census import Proc

SIZE = 512 << 20  # bytes a volume may hold; memory is taken for what it does hold
_MS_REMOUNT, _MNT_DETACH = 32, 2
_FILLER, _LOOK = ".chaos-full", ".chaos-look"
_MOST = 16 * 4096  # bytes that a look tries to write


def make(place: Path) -> None:
    """A volume of its own at an existing folder, unless there is one already. Raises OSError."""
    if not os.path.ismount(place):
        boxinit.mount("tmpfs", str(place), "tmpfs", data=f"mode=0755,size={SIZE}")


def remove_below(folder: Path) -> None:
    """So that the folders can be removed."""
    with open("/proc/self/mountinfo") as f:
        places = [line.split()[4] for line in f]
    for place in places:
        if Path(place).is_relative_to(folder):
            boxinit._libc.umount2(place.encode(), _MNT_DETACH)


def fill(place: Path) -> None:
    """Raises TargetError."""
    with suppress(OSError), open(place / _FILLER, "xb") as filler:
        filler.write(b"\0")  # a size of nothing would be no limit
    for _ in range(100):  # who writes meanwhile makes the size too small
        found = os.statvfs(place)
        with suppress(OSError):
            return _resize(place, (found.f_blocks - found.f_bfree) * found.f_frsize)
    raise TargetError(f"{place}: written to so fast that it could not be filled")


def drain(place: Path) -> None:
    if os.path.ismount(place):
        _resize(place, SIZE)
        (place / _FILLER).unlink(missing_ok=True)


def is_small(place: Path) -> bool:
    """Whether somebody set its size to what it held."""
    if not os.path.ismount(place):
        return False
    found = os.statvfs(place)
    return found.f_blocks * found.f_frsize < SIZE


def is_full(place: Path, root: Proc | None) -> bool:
    """Whether a write fails for want of room, in the files as the node with this root sees them."""
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
    boxinit.mount("tmpfs", str(place), "tmpfs", _MS_REMOUNT, f"size={size}")

