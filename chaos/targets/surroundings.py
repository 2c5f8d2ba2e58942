"""What a container image would have given a service: environment, paths, names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.stackfile import Service

# What a program needs of our own environment to run at all; the rest would make runs differ between people.
PASSED_ON = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT")


@dataclass(frozen=True)
class Program:
    argv: tuple[str, ...]
    env: Mapping[str, str]


def search_path(prefix: str, path: str) -> str:
    """PATH with the current environment's programs first."""
    return ":".join(dict.fromkeys([f"{prefix}/bin", *filter(None, path.split(":")), "/usr/bin", "/bin", "/usr/sbin"]))


def own_paths(text: str, volumes: Iterable[str], folder: Path) -> str:
    """Every volume's path in `text` replaced by the node's own folder; `/database` is not `/data`."""
    for volume in volumes:
        own = f"{folder}{volume}".replace("\\", r"\\")
        text = re.sub(rf"(?<![\w./-]){re.escape(volume)}(?![\w.-])", own, text)
    return text


def own_names(text: str, addresses: Mapping[str, str]) -> str:
    """Every `name:port` and `//name` in `text` with the name's address, for nodes that have no names of their own."""
    if not addresses:
        return text
    names = "|".join(map(re.escape, sorted(addresses, key=len, reverse=True)))
    return re.sub(rf"(?<![\w.-])({names})(?=:\d)|(?<=//)({names})(?![\w.-])", lambda m: addresses[m[1] or m[2]], text)


def program(
    service: Service,
    command: Sequence[str],
    extra: Mapping[str, str],
    common: Mapping[str, str],
    folder: Path,
    addresses: Mapping[str, str],
) -> Program:
    """`command` as it runs in the service's node.

    `common` is everybody's environment, `extra` is laid on top of the service's own, `folder` is the node's own,
    `addresses` is empty where names resolve.
    """

    def translate(text: str) -> str:
        return own_names(own_paths(text, service.volumes, folder), addresses)

    own = {k: translate(v) for k, v in {**service.environment, **extra}.items()}
    return Program(tuple(map(translate, command)), {**common, "HOME": str(folder), "TMPDIR": f"{folder}/tmp", **own})


def mapped(pid: int) -> str:
    """What a process has in its memory, as /proc/PID/maps has it; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def lookup(node: Node) -> Sequence[str]:
    """A command that exits with 0 when its node's own name resolves, within 3 s."""
    return ["timeout", "3", "getent", "hosts", node.name]


def waves(services: Mapping[str, Service]) -> list[list[str]]:
    """Names in the order in which they may start: each wave needs only those before it. Raises BadExperiment."""
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


def loopback(address: str) -> str:
    """10.77.1.13 as 127.0.1.13: where a node lives that has no network of its own."""
    return "127.0." + ".".join(address.split(".")[2:])
