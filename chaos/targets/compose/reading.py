"""Reads a Compose file by asking Compose: interpolation, .env, include, extends, overrides and profiles are its own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from chaos import yamlfile
from chaos.errors import BadExperiment
from chaos.targets.compose import command

_PATIENCE = 60.0  # seconds; included files may come from elsewhere
_OLD = (
    "; docker-compose 1.29 reads only the Compose format of its time, without `include:`, `name:` and newer keys: "
    "install Compose v2, the plugin behind `docker compose`"
)


def resolve(files: Sequence[Path], variables: Mapping[str, str], profiles: Sequence[str]) -> Mapping[str, Any]:
    """The files as Compose understands them together, with these variables and profiles on top of the environment's.

    Texts are escaped as in a Compose file: $$ stands for $. Raises BadExperiment with Compose's own message.
    """
    path, found = files[0], command.find()
    if found is None:
        raise BadExperiment(f"{path}: {command.MISSING}")
    new = command.version() >= (2,)
    argv = [
        *found,
        *(w for file in files for w in ("--file", str(file))),
        "config",
        *(("--format", "json") if new else ()),
    ]
    environment = command.environment(variables, profiles)
    try:
        asked = subprocess.run(
            argv, cwd=path.parent, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            encoding="utf-8", errors="replace", check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as e:
        raise BadExperiment(f"{path}: `{' '.join(found)} config` gave no answer: {e}") from e
    if asked.returncode:
        raise BadExperiment(f"{path}: Compose refuses it: {_message(asked.stderr)}{'' if new else _OLD}")
    doc = (
        msgspec.json.decode(asked.stdout) if new else yamlfile.value(asked.stdout, f"{path}: what Compose makes of it")
    )
    if not isinstance(doc, dict) or not isinstance(doc.get("services"), dict):
        raise BadExperiment(f"{path}: found no `services:` in it; expected a Compose file")
    return doc


def _message(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join(line for line in lines if "level=warning" not in line and not line.startswith("WARNING"))[-600:]
