"""The files that `chaos init` writes, and whether one that is there may be written over."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from chaos.discovery import experiments, journeys, overlay
from chaos.discovery.model import Map
from chaos.errors import ChaosError

_SEAL = "# Written by `chaos init` ({digest}). Change what you like: a changed file is never written over.\n"


def texts(found: Map) -> Mapping[str, str]:
    """By path from the stack's folder, with their seals. Without a port to ask there is no experiment."""
    asked = journeys.chosen(found)
    made = {f"experiments/{name}.yaml": text for name, text in experiments.experiments(found, asked).items()}
    if asked and all(door.http for door in asked.values()):
        made["experiments/users.py"] = journeys.users(asked)
    made["chaos.yaml"] = overlay.overlay(found)
    return {path: sealed(text) for path, text in made.items()}


def sealed(text: str) -> str:
    """With a first line that holds the digest of the rest."""
    return _SEAL.format(digest=hashlib.sha256(text.encode()).hexdigest()[:16]) + text


def unchanged(text: str) -> bool:
    """Whether it is a file of `chaos init` that nobody has changed."""
    _, newline, rest = text.partition("\n")
    return bool(newline) and text == sealed(rest)


def write(folder: Path, files: Mapping[str, str], force: bool) -> Mapping[str, str]:
    """Write what is not there; with `force` also over unchanged files. Returns what was done with each, in words.

    Raises ChaosError if a file cannot be written.
    """
    return {path: _write(folder / path, text, force) for path, text in files.items()}


def _write(path: Path, text: str, force: bool) -> str:
    try:
        if twin := _there(path):
            old = twin.read_text(encoding="utf-8", errors="replace")
            if old == text:
                return "is as it would be written"
            if not force:
                return "exists, and is left as it is"
            if twin != path or twin.is_symlink() or not unchanged(old):
                return "was changed, or written by somebody else, and is left as it is"
            path.write_text(text, encoding="utf-8")
            return "written again"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        return "written"
    except OSError as e:
        raise ChaosError(
            f"{e.filename or path}: cannot be written: {e.strerror}; `chaos init` writes into the stack's folder"
        ) from e


def _there(path: Path) -> Path | None:
    """The file, or the one of the same name with the other ending of YAML."""
    names = [path, path.with_suffix(".yml")] if path.suffix == ".yaml" else [path]
    return next((name for name in names if name.exists() or name.is_symlink()), None)
