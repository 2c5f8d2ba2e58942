"""What a container image would give a service: environment, paths, names. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import BadExperiment
from chaos.experiment.service import Service

# The variables of our own environment that programs need to run; others would make runs differ between users.
PASSED_ON = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT")


@dataclass(frozen=True)
class Program:
    argv: tuple[str, ...]
    env: Mapping[str, str]


def search_path(prefix: str, path: str) -> str:
    """PATH with the programs of the current environment first."""
    return ":".join(dict.fromkeys([f"{prefix}/bin", *filter(None, path.split(":")), "/usr/bin", "/bin", "/usr/sbin"]))


def own_paths(text: str, volumes: Iterable[str], folder: Path) -> str:
    """`text` with the path of every volume replaced by the node's own folder; `/database` is not `/data`."""
    for volume in volumes:
        own = f"{folder}{volume}".replace("\\", r"\\")
        text = re.sub(rf"(?<![\w./-]){re.escape(volume)}(?![\w.-])", own, text)
    return text


def program(
    service: Service,
    command: Sequence[str],
    extra: Mapping[str, str],
    common: Mapping[str, str],
    folder: Path,
) -> Program:
    """`command` as it runs in the service's node.

    `common` is the environment of all nodes, `extra` is added to the service's own, `folder` is the node's own.
    """

    def translate(text: str) -> str:
        return own_paths(text, service.volumes, folder)

    own = {k: translate(v) for k, v in {**service.environment, **extra}.items()}
    return Program(tuple(map(translate, command)), {**common, "HOME": str(folder), "TMPDIR": f"{folder}/tmp", **own})


def mapped(pid: int) -> str:
    """The memory map of a process, from /proc/PID/maps; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def waves(services: Mapping[str, Service]) -> list[list[str]]:
    """Names in start order: each wave depends only on the ones before it. Raises BadExperiment."""
    left = {name: set(s.depends_on) & set(services) for name, s in services.items()}
    found: list[list[str]] = []
    while left:
        ready = sorted(name for name, needs in left.items() if not needs)
        if not ready:
            raise BadExperiment(f"services depend on each other in a circle: {', '.join(sorted(left))}; break it")
        found.append(ready)
        left = {name: needs - set(ready) for name, needs in left.items() if name not in ready}
    return found


def hosts(addresses: Mapping[str, str]) -> str:
    """The text of a hosts file."""
    return "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in sorted(addresses.items()))
