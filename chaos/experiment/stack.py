"""Reads docker-compose.yml, the description of a stack: its services in a posture, and what each of them needs.

Both targets use it. The embedded target is strict: it refuses every key that it could not honour, with the key's path.
Syntax: the Compose specification (services, profiles, interpolation, merge keys).
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from chaos import naming, redaction, yamlfile
from chaos.errors import BadExperiment
from chaos.experiment import overlay, stack_form
from chaos.experiment.plan import Plan
from chaos.model import Node
from chaos.units import duration

HONOURED = {"command", "environment", "labels", "healthcheck", "depends_on", "profiles", "networks", "volumes"}
# Keys that matter only to containers; processes do not need them.
CONTAINER_ONLY = {
    "image", "build", "user", "cap_drop", "security_opt", "read_only", "tmpfs", "init", "ports", "expose",
    "stop_grace_period", "cgroup_parent", "mem_limit", "cpus", "pids_limit", "logging",
}  # fmt: skip
# Keys that give a container more access to its host.
PRIVILEGES = ("privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode", "volumes_from")
USERS = "internet"  # the namespace of the users on the embedded target
Resolve = Callable[
    [Sequence[Path], Mapping[str, str], Sequence[str]], Mapping[str, Any]
]  # of files, variables, profiles
_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)(?:(:?-)([^}]*))?\}|([A-Za-z_]\w*)|(\{[^}]*\}?))")


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


@dataclass(frozen=True)
class Stack:
    path: Path
    services: Mapping[str, Service]
    settings: Mapping[str, Any]  # the posture's name and every knob's value
    variables: Mapping[str, str]  # variables for interpolation
    profiles: tuple[str, ...]
    extension: Mapping[str, Any]  # the file's x-chaos block
    gateway: str | None  # the host's own address on the stack's network, if the file names one
    name: str = ""  # the project's name, if the file gives one
    elsewhere: tuple[Node, ...] = ()  # nodes of other postures only
    jobs: tuple[str, ...] = ()  # services that end before others start, and are not nodes
    resolved: Mapping[str, Any] | None = None  # the file as Compose understands it, if Compose was asked

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(sorted(s.node for s in self.services.values()))

    @property
    def replicas(self) -> Mapping[str, int]:
        """How many containers each service has that has several nodes."""
        return Counter(s.service for s in self.services.values() if s.service)

    def in_file(self, nodes: Iterable[str]) -> list[str]:
        """The services of these nodes, as the file calls them, in order."""
        return sorted({self.services[name].service or name for name in nodes})

    @property
    def between_zones_ms(self) -> float:
        """Latency between zones, one way. Raises BadExperiment."""
        text = (self.extension.get("network") or {}).get("between_zones", "0ms")
        return 1000 * duration(text, f"{self.path}: x-chaos.network.between_zones")

    @property
    def files(self) -> Sequence[Path]:
        """The Compose file, and what Compose merges into it."""
        return files(self.path)

    @property
    def root(self) -> Path:
        return self.path.parent

    def hider(self, plan: Plan | None = None) -> redaction.Hider:
        """Removes this stack's secrets, and those of a plan's parameters, from texts."""
        found = [*redaction.secrets(self.settings)]
        found += [text for service in self.services.values() for text in redaction.secrets(service.environment)]
        found += [text for step in (plan.steps if plan else ()) for text in redaction.secrets(step.params)]
        names = {name for n in self.nodes for name in (n.name, n.component, n.zone, n.owner)}
        return redaction.Hider(found, names | (plan.names if plan else set()))


def default() -> Path:
    """The Compose file that chaos.yaml names first, else the one that Compose would take. Raises BadExperiment."""
    found = naming.stack_file()
    return found.parent / (overlay.read(found.parent)[0].compose or [found.name])[0]


def files(path: Path) -> Sequence[Path]:
    """`path` as an absolute path, and what is merged into it: as chaos.yaml says, else the override beside it."""
    path = path.resolve()
    named = [path.parent / name for name in overlay.read(path.parent)[0].compose or ()]
    if path in named[:1]:
        return named
    override = naming.override_of(path)
    return [path, *([override] if override else [])]


def read(
    path: Path,
    posture: str | None = None,
    sets: Mapping[str, str] | None = None,
    strict: bool = True,
    environ: Mapping[str, str] | None = None,
    resolve: Resolve | None = None,
    written: Mapping[str, Any] | None = None,
) -> Stack:
    """Read `path` with a posture (default: the first one it names), and single knobs on top.

    Raises BadExperiment with every problem found. `sets` maps a knob to its value as YAML text; `environ` is used for
    variables that neither posture nor knob sets. `resolve` gives the file as Compose understands it; without it, the
    file is interpolated here, and stands for itself. `written` is its content where there is no file.
    """
    if strict and len(files(path)) > 1:
        raise BadExperiment(f"{files(path)[1]}: only Compose merges it into {path.name}; use --target compose")
    written = _document(path, whole=resolve is None) if written is None else written
    noted, more = overlay.read(path.resolve().parent)
    extension = {**(written.get("x-chaos") or {}), **more}
    settings = _settings(path, extension, posture, sets or {})
    profiles = tuple(sorted(k for k, v in settings.items() if v is True))
    variables = {k.upper(): str(int(v) if isinstance(v, bool) else v) for k, v in settings.items()}
    for knob, extra in (extension.get("when") or {}).items():
        if settings.get(knob):
            variables |= {k: str(v) for k, v in extra.items()}
    problems: list[str] = []
    known: Mapping[str, str] = {**(environ or {}), **variables}
    doc = written
    if resolve is not None:
        doc, known = resolve(files(path), variables, profiles), {}  # Compose has interpolated it
        problems.extend(stack_form.problems(path, doc))
    raw = {
        name: spec
        for name, spec in (doc.get("services") or {}).items()
        if not spec.get("profiles") or set(spec["profiles"]) & set(profiles)
    }
    if not raw:
        problems.append(f"{path}: no services under posture {settings.get('posture')!r}")
    problems.extend(_led_out(path, doc, extension))
    jobs = () if strict else _jobs(raw)
    services: dict[str, Service] = {}
    for name, spec in raw.items():
        where = f"{path}: services.{name}"
        try:
            plain = _interpolate(spec, known)
            if strict:
                problems.extend(_refused(path, name, spec))
                _single(where, plain)
            one = _service(where, name, plain, _sized(doc), path.resolve().parent)
            made = {} if name in jobs else _nodes(name, one, _replicas(plain))
            problems.extend(
                f"{where}: two services have a node called {n!r}; rename one" for n in made if n in services
            )
            services |= made
        except BadExperiment as e:
            problems.extend(e.problems)
    if problems:
        raise BadExperiment(*problems)
    others = [(name, spec) for name, spec in (written.get("services") or {}).items() if name not in raw]
    elsewhere = [_node(name, _pairs(spec.get("labels"))) for name, spec in others if isinstance(spec, dict)]
    replicated = {name: one.service for name, one in services.items() if one.service}
    every = [*(one.node for one in services.values()), *elsewhere]
    said = overlay.nodes(noted, path.resolve().parent, every, replicated)
    services = {name: replace(one, node=said[name]) for name, one in services.items()}
    named = str(_interpolate(written.get("name") or "", {**(environ or {}), **variables}))
    return Stack(
        path.resolve(), services, settings, variables, profiles, extension, _gateway(doc), named,
        tuple(said[node.name] for node in elsewhere), jobs, doc if resolve else None,
    )  # fmt: skip


def beside(stack: Stack, profile: str) -> Mapping[str, Service]:
    """Services that only `profile` turns on, which are not nodes of the stack. Raises BadExperiment if there are
    none.
    """
    found = {}
    for name, spec in _document(stack.path)["services"].items():
        if spec.get("profiles") == [profile]:
            plain = _interpolate({k: v for k, v in spec.items() if k != "volumes"}, stack.variables)
            found[name] = _service(f"{stack.path}: services.{name}", name, plain)
    if not found:
        raise BadExperiment(f"{stack.path}: no service has `profiles: [{profile}]`, so there is nothing to start")
    return found


def _led_out(path: Path, doc: Mapping[str, Any], extension: Mapping[str, Any]) -> Iterator[str]:
    """Problems with names that are invalid as folders, and with programs outside of the stack's folder."""
    for name in doc["services"]:
        if not naming.fits(name):
            yield f"{path}: services: found {name!r} as a name, expected {naming.EXPECTED}"
    program = extension.get("base") or "."
    if not isinstance(program, str) or program.startswith("/") or ".." in Path(program).parts:
        yield f"{path}: x-chaos.base: found {program!r}, expected a program below {path.parent}"


def raw(stack: Stack) -> Mapping[str, Any]:
    """The file as Compose understands it, else its current content without interpolation. Raises BadExperiment."""
    return stack.resolved if stack.resolved is not None else _document(stack.path)


def settled(stack: Stack, value: Any) -> str:
    """A value of the raw file as text; empty if it has a form that only Compose interpolates."""
    try:
        return _text(_interpolate(value, stack.variables))
    except BadExperiment:
        return ""


def _document(path: Path, whole: bool = True) -> Mapping[str, Any]:
    """The file's content. Unless it is the `whole` description, its services are left to Compose."""
    if not path.exists():
        raise BadExperiment(f"{path}: no such file; name the stack's description with --stack FILE")
    doc = yamlfile.read(path, as_text=lambda keys: "labels" in keys)
    if not isinstance(doc, dict) or (whole and not isinstance(doc.get("services"), dict)):
        raise BadExperiment(f"{path}: found no `services:` in it; expected a Compose file")
    if problems := list(stack_form.problems(path, doc if whole else {"services": {}, "x-chaos": doc.get("x-chaos")})):
        raise BadExperiment(*problems)
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
        where = f"--set {redaction.assignment(f'{knob}={text}')}"
        if knob not in settings or knob == "posture":
            hint = _known(knob, set(settings) - {"posture"})
            raise BadExperiment(f"{where}: no knob called {knob!r}; {hint}")
        value = yamlfile.value(text, where)
        if isinstance(settings[knob], float) and type(value) is int:
            value = float(value)
        form = (extension.get("forms") or {}).get(knob)
        if type(value) is not type(settings[knob]):
            words = {bool: "true or false", int: "a whole number", float: "a number"}
            wanted = words.get(type(settings[knob])) or (form["expected"] if form else "text")
            raise BadExperiment(f"{where}: expected {wanted}")
        if form and not re.fullmatch(form["pattern"], str(value)):
            raise BadExperiment(f"{where}: expected {form['expected']}")
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
    if name == USERS:
        yield f"{path}: services.{name}: the embedded target calls the users' own network so; choose another name"
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


def _service(
    where: str, name: str, spec: Mapping[str, Any], sized: frozenset[str] = frozenset(), root: Path = Path()
) -> Service:
    return Service(
        node=_node(name, _pairs(spec.get("labels"))),
        command=_argv(where, spec.get("command")),
        environment=_pairs(spec.get("environment")),
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


def _node(name: str, labels: Mapping[str, str]) -> Node:
    component, zone, owner = (labels.get(f"chaos.{key}", "") for key in ("component", "zone", "owner"))
    return Node(name, component if "chaos.component" in labels else name, zone, owner, labels)


def _nodes(name: str, service: Service, count: int) -> dict[str, Service]:
    """A service's nodes by name: one for each of its containers."""
    if count == 1:
        return {name: service}
    made = {}
    for number in range(1, count + 1):
        node = replace(service.node, name=naming.replica(name, number))
        made[node.name] = replace(service, node=node, service=name)
    return made


def _replicas(spec: Mapping[str, Any]) -> int:
    """How many containers a service has. `scale` takes precedence, as in Compose."""
    deploy = spec.get("deploy")
    asked = [spec.get("scale"), deploy.get("replicas") if isinstance(deploy, Mapping) else None]
    return next((int(text) for text in map(str, asked) if text.isdigit()), 1)


def _jobs(services: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Services that another one waits for until they have ended successfully."""
    awaited = [(one, how) for spec in services.values() for one, how in _depends(spec).items()]
    return tuple(sorted({one for one, how in awaited if how.get("condition") == "service_completed_successfully"}))


def _depends(spec: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found = spec.get("depends_on") or {}
    return {k: v or {} for k, v in found.items()} if isinstance(found, dict) else {key: {} for key in found}


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else _text(value)


def _single(where: str, spec: Mapping[str, Any]) -> None:
    """Check that a service is one node, which is one container. Raises BadExperiment."""
    deploy = spec.get("deploy")
    replicas = deploy.get("replicas") if isinstance(deploy, Mapping) else None
    for key, count in (("scale", spec.get("scale")), ("deploy.replicas", replicas)):
        if count is not None and str(count) != "1":
            raise BadExperiment(
                f"{where}.{key}: found {count!r}, expected 1; a service is one node, so write a service for each"
            )


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, list):
        value = dict(str(v).partition("=")[::2] for v in value)
    return {str(k): _text(v) for k, v in (value or {}).items()}


def _text(value: Any) -> str:
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


def _sized(doc: Mapping[str, Any]) -> frozenset[str]:
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


def _gateway(doc: Mapping[str, Any]) -> str | None:
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
