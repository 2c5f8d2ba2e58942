"""The one description of a stack, docker-compose.yml: which services there are under a posture, and what each needs.

Both targets read it. The embedded target is strict: it refuses every key it could not honour, with the key's path.
Syntax: the Compose specification (services, profiles, interpolation, merge keys).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.units import duration

HONOURED = {"command", "environment", "labels", "healthcheck", "depends_on", "profiles", "networks", "volumes"}
# What only containers have a use for; a process of the same name needs none of it.
CONTAINER_ONLY = {
    "image", "build", "user", "cap_drop", "security_opt", "read_only", "tmpfs", "init", "ports", "expose",
    "stop_grace_period", "cgroup_parent", "mem_limit", "cpus", "pids_limit", "logging",
}  # fmt: skip
_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)(?:(:?-)([^}]*))?\}|([A-Za-z_]\w*)|(\{[^}]*\}?))")


@dataclass(frozen=True)
class Service:
    """One service under the chosen posture, everything interpolated."""

    node: Node
    command: tuple[str, ...]
    environment: Mapping[str, str]
    healthcheck: tuple[str, ...] | None  # argv to run inside the node; exit 0 is healthy
    volumes: tuple[str, ...]  # folders that outlive a restart
    depends_on: tuple[str, ...]
    address: str | None
    ports: tuple[tuple[str, int, int], ...]  # host address, host port, container port
    image: str | None
    build: bool
    bounded: tuple[str, ...] = ()  # those volumes that say their size: file systems in memory
    context: str = ""  # folder it is built from, as the file has it; empty where it names none

    @property
    def optional(self) -> bool:
        """Left out, with a word, where its program is not installed."""
        return self.node.labels.get("chaos.optional") == "true"


@dataclass(frozen=True)
class Stack:
    path: Path
    services: Mapping[str, Service]
    settings: Mapping[str, Any]  # the posture's name and every knob's value
    variables: Mapping[str, str]  # what the description is interpolated with
    profiles: tuple[str, ...]
    extension: Mapping[str, Any]  # the file's x-chaos block
    gateway: str | None  # the host's own address on the stack's network, where the file names one

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(sorted(s.node for s in self.services.values()))

    @property
    def between_zones_ms(self) -> float:
        """How far zones are apart, one way. Raises BadExperiment."""
        text = (self.extension.get("network") or {}).get("between_zones", "0ms")
        return 1000 * duration(text, f"{self.path}: x-chaos.network.between_zones")

    @property
    def root(self) -> Path:
        return self.path.parent


def read(
    path: Path,
    posture: str | None = None,
    sets: Mapping[str, str] | None = None,
    strict: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Stack:
    """Read `path` under a posture (default: the first one it names) with single knobs set on top.

    Raises BadExperiment with every problem found. `sets` maps a knob to its value as YAML text;
    `environ` is interpolated where neither posture nor knob has a say.
    """
    doc = _document(path)
    extension = doc.get("x-chaos") or {}
    settings = _settings(path, extension, posture, sets or {})
    profiles = tuple(sorted(k for k, v in settings.items() if v is True))
    variables = {k.upper(): str(int(v) if isinstance(v, bool) else v) for k, v in settings.items()}
    for knob, extra in (extension.get("when") or {}).items():
        if settings.get(knob):
            variables |= {k: str(v) for k, v in extra.items()}
    problems: list[str] = []
    raw = {
        name: spec
        for name, spec in (doc.get("services") or {}).items()
        if not spec.get("profiles") or set(spec["profiles"]) & set(profiles)
    }
    if not raw:
        problems.append(f"{path}: no services under posture {settings.get('posture')!r}")
    services = {}
    for name, spec in raw.items():
        try:
            if strict:
                problems.extend(_refused(path, name, spec))
            known = {**(environ or {}), **variables}
            services[name] = _service(f"{path}: services.{name}", name, _interpolate(spec, known), _sized(doc))
        except BadExperiment as e:
            problems.extend(e.problems)
    if problems:
        raise BadExperiment(*problems)
    return Stack(path.resolve(), services, settings, variables, profiles, extension, _gateway(doc))


def beside(stack: Stack, profile: str) -> Mapping[str, Service]:
    """Services that only `profile` turns on: no nodes of the stack. Raises BadExperiment without one."""
    found = {}
    for name, spec in _document(stack.path)["services"].items():
        if spec.get("profiles") == [profile]:
            plain = _interpolate({k: v for k, v in spec.items() if k != "volumes"}, stack.variables)
            found[name] = _service(f"{stack.path}: services.{name}", name, plain)
    if not found:
        raise BadExperiment(f"{stack.path}: no service has `profiles: [{profile}]`, so there is nothing to start")
    return found


def _document(path: Path) -> Mapping[str, Any]:
    try:
        doc = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise BadExperiment(f"{path}: no such file; name the stack's description with --stack FILE") from None
    except yaml.YAMLError as e:
        raise BadExperiment(f"{path}: not valid YAML: {' '.join(str(e).split())}") from None
    if not isinstance(doc, dict) or not isinstance(doc.get("services"), dict):
        raise BadExperiment(f"{path}: found no `services:` in it; expected a Compose file")
    return doc


def _settings(
    path: Path, extension: Mapping[str, Any], posture: str | None, sets: Mapping[str, str]
) -> Mapping[str, Any]:
    postures: Mapping[str, Mapping[str, Any]] = extension.get("postures") or {}
    if posture is None:
        posture = next(iter(postures), "")
    elif posture not in postures:
        raise BadExperiment(f"{path}: no posture called {posture!r}; {_known(posture, postures)}")
    settings: dict[str, Any] = {"posture": posture, **postures.get(posture, {})}
    for knob, text in sets.items():
        if knob not in settings or knob == "posture":
            hint = _known(knob, set(settings) - {"posture"})
            raise BadExperiment(f"--set {knob}={text}: no knob called {knob!r}; {hint}")
        value = yaml.load(text, Loader=yaml.CSafeLoader)
        if isinstance(settings[knob], float) and type(value) is int:
            value = float(value)
        form = (extension.get("forms") or {}).get(knob)
        if type(value) is not type(settings[knob]):
            words = {bool: "true or false", int: "a whole number", float: "a number"}
            wanted = words.get(type(settings[knob])) or (form["expected"] if form else "text")
            raise BadExperiment(f"--set {knob}={text}: expected {wanted}")
        if form and not re.fullmatch(form["pattern"], str(value)):
            raise BadExperiment(f"--set {knob}={text}: expected {form['expected']}")
        settings[knob] = value
    return settings


def _known(name: str, names: Iterator[str] | Mapping[str, Any] | set[str]) -> str:
    known = sorted(names)
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def _refused(path: Path, name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    for key in spec:
        if key not in HONOURED | CONTAINER_ONLY and not key.startswith("x-"):
            yield (
                f"{path}: services.{name}.{key}: the embedded target does not read this key; "
                "use --target compose, or leave it out"
            )
    if "command" not in spec:
        yield (
            f"{path}: services.{name}.command: missing; the embedded target has no images, "
            "so every service says what it runs"
        )


def _interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: _variable(m, variables), value)
    if isinstance(value, dict):
        return {k: _interpolate(v, variables) for k, v in value.items()}
    if isinstance(value, list):
        return [_interpolate(v, variables) for v in value]
    return value


def _variable(m: re.Match[str], variables: Mapping[str, str]) -> str:
    dollar, braced, rule, default, bare, odd = m.groups()
    if dollar:
        return "$"
    if odd:
        raise BadExperiment(f"${odd}: only $NAME, ${{NAME}}, ${{NAME-default}} and ${{NAME:-default}} are read")
    value = variables.get(braced or bare)
    if rule and (value is None or (rule == ":-" and not value)):
        return str(default)
    return value or ""


def _service(where: str, name: str, spec: Mapping[str, Any], sized: frozenset[str] = frozenset()) -> Service:
    labels = _pairs(spec.get("labels"))
    node = Node(
        name,
        labels.get("chaos.component", name),
        labels.get("chaos.zone", ""),
        labels.get("chaos.owner", ""),
        labels,
    )
    return Service(
        node=node,
        command=_argv(spec.get("command")),
        environment=_pairs(spec.get("environment")),
        healthcheck=_healthcheck(spec.get("healthcheck")),
        volumes=tuple(_volume(where, v) for v in spec.get("volumes") or ()),
        depends_on=tuple(spec.get("depends_on") or ()),
        address=_address(spec.get("networks")),
        ports=tuple(_port(where, p) for p in spec.get("ports") or ()),
        image=spec.get("image"),
        build="build" in spec,
        bounded=tuple(_volume(where, v) for v in spec.get("volumes") or () if _source(v) in sized),
        context=_context(spec.get("build")),
    )


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, list):
        value = dict(str(v).partition("=")[::2] for v in value)
    return {str(k): _text(v) for k, v in (value or {}).items()}


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _argv(value: Any) -> tuple[str, ...]:
    return tuple(shlex.split(value)) if isinstance(value, str) else tuple(map(str, value or ()))


def _healthcheck(value: Any) -> tuple[str, ...] | None:
    test = (value or {}).get("test")
    if not test or (value or {}).get("disable") or test == ["NONE"]:
        return None
    if isinstance(test, str):
        return ("sh", "-c", test)
    return tuple(map(str, test[1:])) if test[0] == "CMD" else ("sh", "-c", str(test[1]))


def _context(build: Any) -> str:
    return str(build.get("context", "")) if isinstance(build, dict) else str(build or "")


def _volume(where: str, value: Any) -> str:
    path = str(value.get("target", "") if isinstance(value, dict) else value).split(":")
    return path[1] if len(path) > 1 else path[0]


def _source(value: Any) -> str:
    """The name of a volume that has one."""
    return str(value.get("source", "") if isinstance(value, dict) else str(value).split(":")[0])


def _sized(doc: Mapping[str, Any]) -> frozenset[str]:
    """Names of volumes that are file systems in memory of a size of their own."""
    options = {name: (spec or {}).get("driver_opts") or {} for name, spec in (doc.get("volumes") or {}).items()}
    return frozenset(n for n, o in options.items() if o.get("type") == "tmpfs" and "size=" in str(o.get("o", "")))


def _address(networks: Any) -> str | None:
    if isinstance(networks, dict):
        for spec in networks.values():
            if spec and spec.get("ipv4_address"):
                return str(spec["ipv4_address"])
    return None


def _gateway(doc: Mapping[str, Any]) -> str | None:
    for network in (doc.get("networks") or {}).values():
        for config in ((network or {}).get("ipam") or {}).get("config") or ():
            if config.get("gateway"):
                return str(config["gateway"])
    return None


def _port(where: str, value: Any) -> tuple[str, int, int]:
    if isinstance(value, dict):
        return str(value.get("host_ip", "")), int(value.get("published") or 0), int(value["target"])
    parts: Sequence[str] = str(value).split("/")[0].rsplit(":", 2)
    try:
        container = int(parts[-1])
        host = int(parts[-2]) if len(parts) > 1 else 0
    except ValueError:
        raise BadExperiment(f"{where}.ports: {value!r} is not a port; expected 127.0.0.1:8080:8000") from None
    return parts[0] if len(parts) == 3 else "", host, container
