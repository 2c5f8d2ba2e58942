"""Checks names that become files and folders, and paths in files: none of them may lead outside."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from chaos.errors import BadExperiment

EXPECTED = "1 to 100 of A-Z a-z 0-9 . _ -, a letter, a digit or _ first"
STACK = "docker-compose.yml"  # default file of the stack's description
_STACKS = ("compose.yaml", "compose.yml", STACK, "docker-compose.yaml")  # in Compose's order
# Folders of the whole machine, which no program of a stack may see as a whole.
SHARED = ("/", "/opt", "/tmp", "/var/tmp", "/run", "/var", "/home", "/etc", "/dev", "/proc", "/sys", "/usr")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def fits(name: object) -> bool:
    """Whether it is a valid name for a file, a folder and a node."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def stack_file() -> Path:
    """The Compose file that Compose itself would take: in this folder, else in the next one above that has one."""
    here = Path.cwd()
    for folder in (Path(), *here.parents):
        if found := next((folder / name for name in _STACKS if (folder / name).is_file()), None):
            return found
    return Path(STACK)


def override_of(file: Path) -> Path | None:
    """The file beside a Compose file that Compose merges into it, unless files are named to it."""
    if file.name not in _STACKS:
        return None
    names = [f"{file.stem}.override{ending}" for ending in (".yaml", ".yml")]
    return next((file.parent / name for name in names if (file.parent / name).is_file()), None)


PROJECT = "project:"  # a running Compose project, where a stack's file is expected: project:NAME


def project(file: Path) -> str | None:
    """The name of the running project that `file` refers to; None if it is a file."""
    return file.name.removeprefix(PROJECT) if file.name.startswith(PROJECT) else None


def replica(service: str, number: int) -> str:
    """The name of one of several containers of a service, which are a node each. `number` counts from 1."""
    return f"{service}-{number}"


def file(where: str, base: Path, text: str, *roots: Path) -> Path:
    """The file that `text` names, relative to `base`. Raises BadExperiment, naming `where`.

    It has to be a regular file below one of `roots`, after all links are followed.
    """
    folders = " or ".join(map(str, dict.fromkeys(roots)))
    expected = f"expected a file below {folders}"
    try:
        found = (base / text).resolve(strict=True)
        mode = found.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise BadExperiment(f"{where}: no file {base / text}; {expected}") from None
    except (OSError, RuntimeError, ValueError) as e:  # a loop of links, a name that is too long, a NUL byte
        raise BadExperiment(f"{where}: found {text!r}, which cannot be looked up ({e}); {expected}") from None
    if not any(found.is_relative_to(root.resolve()) for root in roots):
        raise BadExperiment(f"{where}: found {text!r}, which leads to {found}; {expected}")
    if not stat.S_ISREG(mode):
        raise BadExperiment(f"{where}: found {text!r}, which is no regular file; {expected}")
    return base / text
