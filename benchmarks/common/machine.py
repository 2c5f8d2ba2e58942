"""Where a benchmark ran, without naming the machine: processor, memory, kernel, versions."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.common import toolkit
from benchmarks.common.document import ROOT

PACKAGES = ("locust", "docker", "msgspec")


def machine() -> Mapping[str, str]:
    cpu = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+) kB", _read("/proc/meminfo"))
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "kernel": platform.release(),
        **({"nice": str(os.nice(0))} if os.nice(0) else {}),
    }


def versions() -> Mapping[str, str]:
    found = {"chaos": version("chaos-harness") + _commit(), "python": platform.python_version()}
    found |= {name: version(name) for name in PACKAGES}
    if (toolkit.FOLDER / "ready").exists():
        found["chaostoolkit"] = toolkit.VERSION
    if engine := _said("docker", "version", "--format", "{{.Server.Version}}"):
        found["docker engine"] = engine
    return found


def _commit() -> str:
    """The commit, with a mark where files of the harness differ from it."""
    commit = _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--", "chaos", "benchmarks/*.py")
    return f" ({commit}{', changed' if changed else ''})" if commit else ""


def _said(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.strip() if done.returncode == 0 else ""


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
