"""A kill of the harness's whole control group leaves the watchdog, wherever it may leave that group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.run import control_group

ROOT = Path(__file__).parents[2]
HARNESS = """
import sys
from chaos.run.watchdog import Watchdog
with Watchdog([sys.executable, "-c", f"open({sys.argv[1]!r}, 'w')"]) as dog:
    print(dog.process.pid, flush=True)
    sys.stdin.read()
"""


def hierarchies() -> list[Path]:
    """Where a group can be made that a process can be moved to at once."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(m[1]) for m in mounts if m[2] == "cgroup2" or (m[2] == "cgroup" and "cpuset" not in m[3])]


@pytest.fixture
def groups() -> Iterator[list[Path]]:
    """A group of our own in each hierarchy."""
    if control_group.SYSTEMD.is_dir():
        pytest.skip("systemd keeps the groups here")
    made: list[Path] = []
    try:
        for mount in hierarchies():
            made.append(mount / f"chaos-test-{os.getpid()}")
            made[-1].mkdir()
    except OSError as e:
        pytest.skip(f"no control group can be made here: {e}")
    if not made:
        pytest.skip("no control group file system is mounted")
    yield made
    for group in made:
        end = time.monotonic() + 10
        while members(group) and time.monotonic() < end:
            time.sleep(0.05)
        group.rmdir()


def members(group: Path) -> list[int]:
    return [int(line) for line in (group / "cgroup.procs").read_text().split()]


def within(seconds: float, place: Path) -> bool:
    end = time.monotonic() + seconds
    while not place.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return place.exists()


def test_a_kill_of_all_of_a_control_group_does_not_take_the_watchdog(groups: list[Path], tmp_path: Path) -> None:
    """As a service manager does it, or the kernel where memory is short: everybody in cgroup.procs."""
    healed = tmp_path / "healed"

    def join() -> None:
        for group in groups:
            (group / "cgroup.procs").write_text(f"{os.getpid()}\n")

    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(healed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=ROOT,
        preexec_fn=join,  # noqa: PLW1509 (no thread runs here)
    )  # fmt: skip
    with harness:
        assert harness.stdout is not None
        watchdog = int(harness.stdout.readline())
        end = time.monotonic() + 10
        while any(watchdog in members(g) for g in groups) and time.monotonic() < end:
            time.sleep(0.02)
        victims = {pid for group in groups for pid in members(group)}
        assert harness.pid in victims and watchdog not in victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
    assert within(20, healed)
