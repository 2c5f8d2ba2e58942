"""Finds the file of a load, and reads what is known of its journeys without executing it."""

from __future__ import annotations

import os
from pathlib import Path

from chaos import naming
from chaos.errors import BadExperiment
from chaos.experiment import loads, locustfile, users
from chaos.experiment.users import CLIENT, Users


def read(file: Path, load: loads.Load, root: Path) -> tuple[str, Users]:
    """Where the load's file is, relative to root/experiments, and its journeys; "" where it has no file.

    `file` is the experiment's, `root` the stack's folder. Raises BadExperiment.
    """
    match load:
        case loads.Requests():
            return "", Users(frozenset(r.journey for r in load.http), frozenset({CLIENT}))
        case loads.Locustfile():
            found = find(f"{file}: load.locustfile", load.locustfile, file.parent, root)
            locustfile.read(found, load.classes)
            return _relative(found, root), Users(partial=True)  # names of requests are known when they are made
        case _:
            found = find(f"{file}: load.users", load.users, file.parent, root)
            return _relative(found, root), users.read(found)


def find(where: str, text: str, beside: Path, root: Path) -> Path:
    """The file that `text` names: beside the experiment, else below the stack's experiments/, else beside the stack.

    Raises BadExperiment, naming `where`. It has to be below the stack's or the experiment's folder. Outside of the
    stack's, the load is shown the folder of the file, so that may not be one of the whole machine.
    """
    folders = [beside, root / "experiments", root]
    base = next((folder for folder in folders if _exists(folder / text)), None)
    if base is None:
        seen = dict.fromkeys(map(os.path.abspath, folders))
        return naming.file(where, beside, text, *map(Path, seen))  # raises
    found = naming.file(where, base, text, root, beside)
    folder = os.path.realpath(os.path.dirname(found))
    if not Path(folder).is_relative_to(root.resolve()) and folder in (*naming.SHARED, os.path.realpath(Path.home())):
        all_of_it = f"found {found}, and a load would see all of {folder}"
        raise BadExperiment(f"{where}: {all_of_it}; move it into a folder of its own")
    return found


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL byte
        return True


def _relative(found: Path, root: Path) -> str:
    return os.path.relpath(os.path.abspath(found), os.path.abspath(root / "experiments"))
