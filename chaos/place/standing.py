"""The record of the stack that `chaos up` left running, in the state folder beside the stack's description."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from chaos import jsonfile, naming
from chaos.errors import ChaosError
from chaos.experiment.stack import Stack
from chaos.targets import known
from chaos.targets.box import box

STATE = ".chaos"  # beside the stack's description
OBSERVED = "grafana"  # in STATE: the address of the Grafana of `chaos up --observe`


def state(file: Path) -> Path:
    """The folder with the state of the stack that `file` describes. A running project's is the same from everywhere."""
    if (name := naming.project(file)) is None:
        return file.parent / STATE
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "chaos" / "projects" / name


def read(root: Path, kind: str) -> dict[str, Any] | None:
    """The settings of the running stack on this target; None if there is none."""
    try:
        found = jsonfile.read(root / STATE / f"{kind}.json", dict[str, Any])
    except FileNotFoundError:
        return None
    # Inside the box pids differ; that this process is inside proves that the box is running.
    if known.boxed(kind) and not box.inside() and box.standing(root / STATE) is None:
        return None
    return found


def write(stack: Stack, kind: str) -> None:
    """Record a running stack. Secrets are included, because they are needed to heal it."""
    _write(folder(stack.root) / f"{kind}.json", json.dumps(dict(stack.settings), sort_keys=True))


def forget(root: Path, kind: str) -> None:
    _remove(root / STATE / f"{kind}.json")


def read_observed(root: Path) -> str | None:
    """The address of the Grafana of `chaos up --observe`; None without one."""
    try:
        return (root / STATE / OBSERVED).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def write_observed(root: Path, url: str | None) -> None:
    """Record or (None) remove that address."""
    if url is None:
        _remove(root / STATE / OBSERVED)
    else:
        _write(folder(root) / OBSERVED, url + "\n")


def folder(root: Path, name: str = "") -> Path:
    """The folder for a stack's state, or a part of it. Raises ChaosError if it cannot be created."""
    found = root / STATE / name
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise _unwritten(found, e) from None
    return found


def _write(place: Path, text: str) -> None:
    """Write atomically. A symbolic link that came with the stack's files is never followed."""
    fresh = place.with_name(f"{place.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        fresh.touch(0o600, exist_ok=False)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(place)
    except OSError as e:
        raise _unwritten(place, e) from None


def _remove(place: Path) -> None:
    try:
        place.unlink(missing_ok=True)
    except OSError as e:
        if place.exists():  # a read-only disk reports this error for missing files, too
            raise _unwritten(place, e) from None


def _unwritten(place: Path, error: OSError) -> ChaosError:
    return ChaosError(f"{place}: cannot be written ({error.strerror}); make room, make it writable, or work on a copy "
                      "of the stack's folder")  # fmt: skip
