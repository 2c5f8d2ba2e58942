"""Ownership: a label on everything that Compose makes for a stack.

The label's value is the stack's file. A project's name does not identify a stack: folders of the same name,
COMPOSE_PROJECT_NAME and a plain `docker compose up` can all lead to the same project name.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chaos.experiment.stack import Stack
from chaos.targets.compose.declared import declared
from chaos.targets.docker.engine import STACK


def mark(stack: Stack) -> str:
    """The label's value: the path of the stack's file, in a form that the engine returns unchanged."""
    return str(stack.path).encode(errors="surrogateescape").decode(errors="backslashreplace")


STATE = ".chaos"  # beside the stack's description
PREFIX = "compose-"
YOUNG = 10.0  # seconds: a new file is not locked yet, and must not be removed
MERGES = (2, 24)  # the first version of Compose that merges what several files say of a network or volume


@contextmanager
def override(stack: Stack, merges: bool, service: str = "", extra: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A file that Compose reads after the stack's own: everything it makes gets the label.

    `extra` is merged into `service` without interpolation. A Compose that does not merge uses the last file's networks
    and volumes, so they are repeated completely. One that merges rejects a volume's label that is given twice (seen in
    2.40).
    """
    found, label = declared(stack), {STACK: _literal(mark(stack))}
    services: dict[str, dict[str, Any]] = {name: {"labels": dict(label)} for name in found.services}
    if service:
        more = _literal(extra or {})
        services[service] = {**more, "labels": {**more.get("labels", {}), **label}}
    networks, volumes = _labelled(found.networks, label, merges), _labelled(found.volumes, label, merges)
    parts = {"services": services, "networks": networks, "volumes": volumes}
    folder = _folder(stack.root)
    _sweep(folder)
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=PREFIX, suffix=".yml", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({k: v for k, v in parts.items() if v}, file, default=str)  # a date in the file is text for Compose
        file.flush()
        yield Path(file.name)


def _folder(root: Path) -> Path:
    """The stack's state folder, where a later command finds leftovers; a temporary folder if it is read-only."""
    folder = root / STATE
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def _sweep(folder: Path) -> None:
    """Remove files of killed commands: they are not locked, and older than YOUNG."""
    for left in folder.glob(f"{PREFIX}*.yml"):
        with suppress(OSError), left.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - left.stat().st_mtime > YOUNG:
                left.unlink()


def _labelled(
    specs: Mapping[str, Mapping[str, Any]], label: Mapping[str, str], merges: bool
) -> dict[str, dict[str, Any]]:
    def both(labels: Any) -> Mapping[str, Any]:
        if isinstance(labels, list):
            labels = dict(str(pair).partition("=")[::2] for pair in labels)
        return {**(labels or {}), **label}

    if merges:
        return {key: {"labels": dict(label)} for key in specs}
    return {key: {**spec, "labels": both(spec.get("labels"))} for key, spec in specs.items()}


def _literal(value: Any) -> Any:
    """The value with escaped $, so that Compose does not interpolate it."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {_literal(k): _literal(v) for k, v in value.items()}
    return [_literal(v) for v in value] if isinstance(value, list | tuple) else value
