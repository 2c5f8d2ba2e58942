"""What a service of a Compose file says, as the harness needs it: one function for each key. Only values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from chaos import naming
from chaos.errors import BadExperiment
from chaos.model import Node

# Keys that give a container more access to its host.
PRIVILEGES = ("privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode", "volumes_from")


@dataclass(frozen=True)
class Port:
    """A published port, or a range of them."""

    host: str  # address
    outside: int  # the first of the host's ports; 0 if the engine chooses
    inside: int  # the first of the container's ports
    count: int = 1


@dataclass(frozen=True)
class Timing:
    """How long a health check of the file may take, and how long until the node is unhealthy; seconds."""

    check: float = 30.0  # Compose's own defaults
    until: float = 0.0


@dataclass(frozen=True)
class Service:
    """One node's service in the chosen posture, with everything interpolated."""

    node: Node
    command: tuple[str, ...]
    environment: Mapping[str, str]
    healthcheck: tuple[str, ...] | None  # argv to run inside the node; exit 0 is healthy
    volumes: tuple[str, ...]  # folders that survive a restart
    depends_on: tuple[str, ...]
    address: str | None
    ports: tuple[Port, ...]
    image: str | None
    build: bool
    bounded: tuple[str, ...] = ()  # the volumes of declared size: in-memory file systems
    context: str = ""  # folder it is built from, as in the file; empty if it names none
    network_mode: str = ""  # empty: it has its own networks
    mounts: tuple[str, ...] = ()  # the host's files that its container can see
    privileges: tuple[str, ...] = ()  # privileges that its container has beyond the default
    timing: Timing = Timing()
    service: str = ""  # its name in the file, if the node is one of several containers of the service

    @property
    def optional(self) -> bool:
        """Whether it is left out, with a message, if its program is not installed."""
        return self.node.labels.get("chaos.optional") == "true"

    def outside(self, inside: int) -> int:
        """The host's port for this port of the container; 0 if unknown."""
        found = (p.outside + inside - p.inside for p in self.ports if p.outside and 0 <= inside - p.inside < p.count)
        return next(found, 0)


def service(
    where: str, name: str, spec: Mapping[str, Any], sized: frozenset[str] = frozenset(), root: Path = Path()
) -> Service:
    return Service(
        node=node(name, pairs(spec.get("labels"))),
        command=_argv(where, spec.get("command")),
        environment=pairs(spec.get("environment")),
        healthcheck=_healthcheck(where, spec.get("healthcheck")),
        timing=_timing(spec.get("healthcheck")),
        volumes=tuple(_volume(where, v) for v in spec.get("volumes") or ()),
        depends_on=tuple(spec.get("depends_on") or ()),
        address=_address(where, spec.get("networks")),
        ports=tuple(_port(where, p) for p in spec.get("ports") or ()),
        image=spec.get("image"),
        build="build" in spec,
        bounded=tuple(_volume(where, v) for v in spec.get("volumes") or () if _source(v) in sized),
        context=_context(spec.get("build"), root),
        network_mode=str(spec.get("network_mode") or ""),
        mounts=tuple(source for v in spec.get("volumes") or () if (source := _source(v)).startswith(("/", ".", "~"))),
        privileges=tuple(f"{key}: {_words(spec[key])}" for key in PRIVILEGES if spec.get(key)),
    )


def node(name: str, labels: Mapping[str, str]) -> Node:
    component, zone, owner = (labels.get(f"chaos.{key}", "") for key in ("component", "zone", "owner"))
    return Node(name, component if "chaos.component" in labels else name, zone, owner, labels)


def nodes(name: str, service: Service, count: int) -> dict[str, Service]:
    """A service's nodes by name: one for each of its containers."""
    if count == 1:
        return {name: service}
    made = {}
    for number in range(1, count + 1):
        node = replace(service.node, name=naming.replica(name, number))
        made[node.name] = replace(service, node=node, service=name)
    return made


def replicas(spec: Mapping[str, Any]) -> int:
    """How many containers a service has. `scale` takes precedence, as in Compose."""
    deploy = spec.get("deploy")
    asked = [spec.get("scale"), deploy.get("replicas") if isinstance(deploy, Mapping) else None]
    return next((int(text) for text in map(str, asked) if text.isdigit()), 1)


def jobs(services: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Services that another one waits for until they have ended successfully."""
    awaited = [(one, how) for spec in services.values() for one, how in _depends(spec).items()]
    return tuple(sorted({one for one, how in awaited if how.get("condition") == "service_completed_successfully"}))


def _depends(spec: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found = spec.get("depends_on") or {}
    return {k: v or {} for k, v in found.items()} if isinstance(found, dict) else {key: {} for key in found}


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else text(value)


def single(where: str, spec: Mapping[str, Any]) -> None:
    """Check that a service is one node, which is one container. Raises BadExperiment."""
    deploy = spec.get("deploy")
    replicas = deploy.get("replicas") if isinstance(deploy, Mapping) else None
    for key, count in (("scale", spec.get("scale")), ("deploy.replicas", replicas)):
        if count is not None and str(count) != "1":
            raise BadExperiment(
                f"{where}.{key}: found {count!r}, expected 1; a service is one node, so write a service for each"
            )


def pairs(value: Any) -> dict[str, str]:
    if isinstance(value, list):
        value = dict(str(v).partition("=")[::2] for v in value)
    return {str(k): text(v) for k, v in (value or {}).items()}


def text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _argv(where: str, value: Any) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(value)) if isinstance(value, str) else tuple(map(str, value or ()))
    except ValueError as e:
        raise BadExperiment(f"{where}.command: found {value!r:.80}, expected a shell's words: {e}") from None


def _healthcheck(where: str, value: Any) -> tuple[str, ...] | None:
    test = (value or {}).get("test")
    if not test or (value or {}).get("disable") or test == ["NONE"]:
        return None
    if isinstance(test, str):
        return ("sh", "-c", test)
    kind, *words = map(str, test)
    if kind == "CMD" and words:
        return tuple(words)
    if kind == "CMD-SHELL" and len(words) == 1:
        return ("sh", "-c", *words)
    expected = "expected [CMD, program, argument, …], [CMD-SHELL, command] or [NONE]"
    raise BadExperiment(f"{where}.healthcheck.test: found {test!r:.80}, {expected}")


_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")


def _timing(value: Any) -> Timing:
    def seconds(key: str, default: float) -> float:
        found = _LENGTH.findall(str((value or {}).get(key, "")))  # Compose refuses other texts
        return sum(float(number) * _SECONDS[unit] for number, unit in found) if found else default

    asked = str((value or {}).get("retries", 3))
    check, interval = seconds("timeout", 30.0), seconds("interval", 30.0)
    tries = int(asked) if asked.isdigit() else 3
    return Timing(check, seconds("start_period", 0.0) + tries * (interval + check))


def _context(build: Any, root: Path) -> str:
    """As in the file: Compose makes it absolute."""
    found = Path(str(build.get("context", "")) if isinstance(build, dict) else str(build or ""))
    return (
        str(found.relative_to(root) if found.is_absolute() and found.is_relative_to(root) else found) if build else ""
    )


def _volume(where: str, value: Any) -> str:
    path = str(value.get("target", "") if isinstance(value, dict) else value).split(":")
    return path[1] if len(path) > 1 else path[0]


def _source(value: Any) -> str:
    """The name of a volume, or the path on the host."""
    if isinstance(value, dict):
        return str(value.get("source") or "")
    source, colon, _ = str(value).partition(":")
    return source if colon else ""


def sized(doc: Mapping[str, Any]) -> frozenset[str]:
    """Names of volumes that are in-memory file systems of declared size."""
    options = {name: (spec or {}).get("driver_opts") or {} for name, spec in (doc.get("volumes") or {}).items()}
    return frozenset(n for n, o in options.items() if o.get("type") == "tmpfs" and "size=" in str(o.get("o", "")))


def _address(where: str, networks: Any) -> str | None:
    for name, spec in networks.items() if isinstance(networks, dict) else ():
        if found := (spec or {}).get("ipv4_address"):
            if not _is_ipv4(found):
                at = f"{where}.networks.{name}.ipv4_address"
                raise BadExperiment(f"{at}: found {found!r:.80}, expected an address such as 10.77.1.10")
            return str(found)
    return None


def gateway(doc: Mapping[str, Any]) -> str | None:
    for network in (doc.get("networks") or {}).values():
        for config in ((network or {}).get("ipam") or {}).get("config") or ():
            if _is_ipv4(config.get("gateway") or ""):
                return str(config["gateway"])
    return None


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _port(where: str, value: Any) -> Port:
    if isinstance(value, dict):
        host, outside, inside = str(value.get("host_ip") or ""), str(value.get("published") or ""), str(value["target"])
    else:
        *front, inside = str(value).split("/")[0].rsplit(":", 2)
        host, outside = front[0] if len(front) == 2 else "", front[-1] if front else ""
    first, count = _ports(inside)
    begin, published = _ports(outside or "0")
    if not first or begin is None or (outside and count > 1 and published != count):
        expected = "expected such as 127.0.0.1:8080:8000, or two ranges of one length, 8080-8089:8000-8009"
        raise BadExperiment(f"{where}.ports: {value!r:.80} is not a port; {expected}")
    chosen = begin if published == count else 0  # unknown if it is one of a range, or chosen by the engine
    return Port(host, chosen, first, count)


def _ports(text: str) -> tuple[int | None, int]:
    """The first port of `80` or `8000-8010`, and the number of ports; None if it is neither."""
    m = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    first, last = (int(m[1]), int(m[2] or m[1])) if m else (1, 0)
    return (first, last - first + 1) if first <= last < 1 << 16 else (None, 0)
