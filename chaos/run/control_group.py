"""Moves this process out of the control group it was started in, so that killing the whole group does not kill it.

The following end both the harness and its watchdog if they are in the same group: a service manager that stops a
service, the kernel's out-of-memory handling of a group, and a `kill` of everything in a cgroup.procs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SYSTEMD = Path("/run/systemd/system")  # exists if systemd is the init process
_PATIENCE = 5.0  # seconds to wait for systemd


def step_out() -> bool:
    """Move this process into a group of its own; return whether it is in one, or in no group at all.

    With systemd this creates a scope. Otherwise the process moves to the root of each hierarchy, which takes write
    access to the control group file system. If neither is allowed, nothing changes.
    """
    if SYSTEMD.is_dir():
        return _scope(os.getpid())
    moved = [_to_root(mount) for mount, group in _memberships() if group != "/"]
    return all(moved)


def _scope(pid: int) -> bool:
    """Request what `systemd-run --scope` requests, for a process that is already running."""
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    bus = "--system" if os.geteuid() == 0 else "--user"
    unit = ("StartTransientUnit", "ssa(sv)a(sa(sv))", f"chaos-watchdog-{pid}.scope", "fail", "2",
            "PIDs", "au", "1", str(pid), "CollectMode", "s", "inactive-or-failed", "0")  # fmt: skip
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(["busctl", bus, "call", *manager, *unit], stdin=subprocess.DEVNULL, check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_PATIENCE)  # fmt: skip
        return asked.returncode == 0
    return False


def _memberships() -> Iterator[tuple[Path, str]]:
    """The mount point of each hierarchy, and the group in it that this process belongs to."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    places = [fields for fields in map(str.split, mounts) if fields[2] in ("cgroup", "cgroup2")]
    for line in groups:
        _, controllers, group = line.split(":", 2)
        for _, mount, kind, options, *_ in places:
            if kind == "cgroup2" if not controllers else set(controllers.split(",")) <= set(options.split(",")):
                yield Path(mount), group
                break


def _to_root(mount: Path) -> bool:
    try:
        (mount / "cgroup.procs").write_text(f"{os.getpid()}\n", encoding="utf-8")
    except OSError:
        return False
    return True
