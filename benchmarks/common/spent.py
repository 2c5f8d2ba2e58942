"""What a program costs from its start to its end: wall clock and processor, its children included."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import ChaosError


@dataclass(frozen=True)
class Spent:
    wall: float  # seconds
    cpu: float  # seconds, user and system, of the program and of the children it waited for
    memory: int = 0  # bytes resident at its most


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> Spent:
    """Run it to its end. Raises ChaosError with its last words where it does not end with 0."""
    log = cwd / "output"
    with log.open("wb") as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = log.read_text(errors="replace").splitlines()[-5:]
        raise ChaosError(f"{command[0]} ended with {process.returncode}: {' | '.join(last)}")
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
