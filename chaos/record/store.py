"""Where runs are stored: runs/<experiment>/<utc>-s<seed>/, and the files written before the target is touched."""

from __future__ import annotations

import fcntl
import itertools
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

from chaos import redaction
from chaos.errors import BadExperiment, ChaosError
from chaos.experiment.plan import Plan

VERSIONED = ("chaos-harness", "locust", "docker", "prometheus-client", "tenacity", "pyroute2")


def place(runs: Path, experiment: str, seed: int) -> Path:
    """The folder for a new run. It does not exist yet, and is not created here."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (f"{stamp}-s{seed}" + (f"-{n}" if n else "") for n in itertools.count())
    return next(run for name in names if not (run := runs / experiment / name).exists())


def create(run: Path) -> None:
    """Create the folder of a run. Raises ChaosError if it cannot be written, or if it exists."""
    try:
        run.mkdir(parents=True)
        (run / "logs").mkdir()
    except OSError as e:
        raise ChaosError(f"{run}: cannot be made ({e.strerror}); choose another place with --runs DIR") from None


def save(run: Path, plan: Plan, env: Mapping[str, Any], hider: redaction.Hider | None = None) -> None:
    """Write plan.json and env.json to disk. `hider` knows secrets that are not in the plan."""
    write(run / "plan.json", pretty(plan.redacted(hider)))
    write(run / "env.json", pretty(env))


def pretty(value: Any) -> bytes:
    """JSON with sorted keys: equal values give equal bytes."""
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
    """The environment of this run, for later readers."""
    return {
        "argv": redaction.arguments(argv),
        "target": target,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "machine": {"system": platform.system(), "kernel": platform.release(), "cpus": os.cpu_count()},
        "versions": {name: version(name) for name in VERSIONED},
    }


def find(runs: Path, name: str) -> Path:
    """The run called `name`: a folder, the last run of an experiment, or `last`. Raises BadExperiment."""
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
    """Lock the run's folder while the block lasts. Yields False if it is locked and `wait` is false.

    The kernel holds the lock and releases it however the process ends, also for a process in another box. So other
    commands know which runs are in progress, without a file that a killed run would leave behind. On a disk without
    locks, no run is ever locked.
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
    """Whether a process is executing this run, or judging it for the first time, right now."""
    with suppress(FileNotFoundError), held(run, wait=False) as free:
        return not free
    return False
