"""Where runs are kept: runs/<experiment>/<utc>-s<seed>/, and what is written there before anything is touched."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from chaos.errors import BadExperiment, ChaosError
from chaos.plan import Plan

VERSIONED = ("chaos-harness", "locust", "docker", "prometheus-client", "tenacity", "pyroute2")


def create(runs: Path, plan: Plan) -> Path:
    """A new folder for a run of `plan`. Raises ChaosError where it cannot be written."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for n in range(100):
        run = runs / plan.experiment / (f"{stamp}-s{plan.seed}" + (f"-{n}" if n else ""))
        try:
            (run / "logs").mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as e:
            raise ChaosError(f"{run}: cannot be made ({e.strerror}); choose another place with --runs DIR") from None
        return run
    raise AssertionError("a hundred runs in one second")


def save(run: Path, plan: Plan, env: Mapping[str, Any]) -> None:
    """plan.json and env.json, on disk before this returns."""
    write(run / "plan.json", pretty(plan))
    write(run / "env.json", pretty(env))


def pretty(value: Any) -> bytes:
    """JSON with sorted keys: the same value gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


def write(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except OSError as e:
        raise ChaosError(f"{path}: cannot be written ({e.strerror}); make room, or use --runs DIR") from None


def environment(argv: Sequence[str], target: str) -> Mapping[str, Any]:
    """What this run ran on, for whoever reads it later."""
    return {
        "argv": list(argv),
        "target": target,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "machine": {"system": platform.system(), "kernel": platform.release(), "cpus": os.cpu_count()},
        "versions": {name: version(name) for name in VERSIONED},
    }


def find(runs: Path, name: str) -> Path:
    """The run called `name`: a folder, an experiment's last run, or `last`. Raises BadExperiment."""
    if (Path(name) / "plan.json").exists():
        return Path(name)
    known = sorted(every(runs), key=lambda run: (run.name, run.parent.name))
    hit = [r for r in known if name in {"last", r.name, r.parent.name, f"{r.parent.name}/{r.name}"}]
    if not hit:
        close = get_close_matches(name, {r.parent.name for r in known}, n=1)
        last = f"the last is {known[-1]}" if known else f"there are none in {runs}/"
        last = f"did you mean {close[0]!r}? {last}" if close else last
        raise BadExperiment(f"no run called {name!r}; {last}; a run is a folder, an experiment's name, or `last`")
    return hit[-1]


def every(runs: Path) -> Iterator[Path]:
    return (plan.parent for plan in runs.glob("*/*/plan.json"))


@contextmanager
def held(run: Path, wait: bool = True) -> Iterator[bool]:
    """The run's folder is ours while the block lasts; False if it is somebody's and we do not wait.

    The kernel keeps the lock and gives it back however we end, also to a process in another box: so whoever asks knows
    which runs go on, without a file that a killed run would leave behind. Where the disk has no locks nobody has one.
    """
    folder = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    ours = True
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            ours = False
        except OSError:
            pass
        yield ours
    finally:
        os.close(folder)


def running(run: Path) -> bool:
    """Whether somebody plays this run, or judges it for the first time, right now."""
    with suppress(FileNotFoundError), held(run, wait=False) as free:
        return not free
    return False
