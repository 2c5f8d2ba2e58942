"""A control group of one run's own, in every hierarchy, so that all of it can be killed as a service manager does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class Group:
    """Raises OSError where no control group may be made."""

    def __init__(self, name: str) -> None:
        self.places: list[Path] = []
        try:
            for mount in _hierarchies():
                (mount / name).mkdir()
                self.places.append(mount / name)
        except OSError:
            self.close()
            raise
        if not self.places:
            raise FileNotFoundError("no control group file system is mounted")

    def join(self) -> None:
        """Moves this process there; its children are born there."""
        for place in self.places:
            (place / "cgroup.procs").write_text(f"{os.getpid()}\n", encoding="utf-8")

    @property
    def members(self) -> Sequence[int]:
        found = {int(pid) for place in self.places for pid in (place / "cgroup.procs").read_text("utf-8").split()}
        return sorted(found)

    def kill(self) -> bool:
        """SIGKILL to all of it, until nobody is left. Whether there was anybody."""
        hit = False
        while members := self.members:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            hit = True
            time.sleep(0.005)
        return hit

    def close(self) -> None:
        """Once it is empty; a process that is just ending holds it for a moment."""
        end = time.monotonic() + 10.0
        for place in self.places:
            while place.exists() and time.monotonic() < end:
                try:
                    place.rmdir()
                except OSError:
                    time.sleep(0.05)


def _hierarchies() -> list[Path]:
    """Where a process can join a new group at once: one for processors has to be given some first."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    return [Path(m[1]) for m in mounts if m[2] == "cgroup2" or (m[2] == "cgroup" and "cpuset" not in m[3].split(","))]
