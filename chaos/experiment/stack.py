"""Reads docker-compose.yml, the description of a stack: its services in a posture, and what each of them needs.

Both targets use it. The embedded target is strict: it refuses every key that it could not honour, with the key's path.
Syntax: the Compose specification (services, profiles, interpolation, merge keys).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from chaos import naming, redaction, yamlfile
from chaos.errors import BadExperiment
from chaos.experiment import overlay, stack_form
from chaos.experiment import service as specs
from chaos.experiment.plan import Plan
from chaos.experiment.service import Service
from chaos.model import Node
from chaos.units import duration

HONOURED = {"command", "environment", "labels", "healthcheck", "depends_on", "profiles", "networks", "volumes"}
# Keys that matter only to containers; processes do not need them.
CONTAINER_ONLY = {
    "image", "build", "user", "cap_drop", "security_opt", "read_only", "tmpfs", "init", "ports", "expose",
    "stop_grace_period", "cgroup_parent", "mem_limit", "cpus", "pids_limit", "logging",
}  # fmt: skip
USERS = "internet"  # the namespace of the users on the embedded target
Resolve = Callable[
    [Sequence[Path], Mapping[str, str], Sequence[str]], Mapping[str, Any]
]  # of files, variables, profiles
_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)(?:(:?-)([^}]*))?\}|([A-Za-z_]\w*)|(\{[^}]*\}?))")


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
    jobs = () if strict else specs.jobs(raw)
    services = _services(path, doc, raw, known, jobs, strict, problems)
    if problems:
        raise BadExperiment(*problems)
    others = [(name, spec) for name, spec in (written.get("services") or {}).items() if name not in raw]
    elsewhere = [specs.node(name, specs.pairs(spec.get("labels"))) for name, spec in others if isinstance(spec, dict)]
    replicated = {name: one.service for name, one in services.items() if one.service}
    every = [*(one.node for one in services.values()), *elsewhere]
    said = overlay.nodes(noted, path.resolve().parent, every, replicated)
    services = {name: replace(one, node=said[name]) for name, one in services.items()}
    named = str(_interpolate(written.get("name") or "", {**(environ or {}), **variables}))
    return Stack(
        path.resolve(), services, settings, variables, profiles, extension, specs.gateway(doc), named,
        tuple(said[node.name] for node in elsewhere), jobs, doc if resolve else None,
    )  # fmt: skip


def _services(
    path: Path,
    doc: Mapping[str, Any],
    raw: Mapping[str, Mapping[str, Any]],
    variables: Mapping[str, str],
    jobs: Sequence[str],
    strict: bool,
    problems: list[str],
) -> Mapping[str, Service]:
    """The nodes' services by name; what is wrong with them is added to `problems`."""
    services: dict[str, Service] = {}
    for name, spec in raw.items():
        where = f"{path}: services.{name}"
        try:
            plain = _interpolate(spec, variables)
            if strict:
                problems.extend(_refused(path, name, spec))
                specs.single(where, plain)
            one = specs.service(where, name, plain, specs.sized(doc), path.resolve().parent)
            made = {} if name in jobs else specs.nodes(name, one, specs.replicas(plain))
            problems.extend(
                f"{where}: two services have a node called {n!r}; rename one" for n in made if n in services
            )
            services |= made
        except BadExperiment as e:
            problems.extend(e.problems)
    return services


def beside(stack: Stack, profile: str) -> Mapping[str, Service]:
    """Services that only `profile` turns on, which are not nodes of the stack. Raises BadExperiment if there are
    none.
    """
    found = {}
    for name, spec in _document(stack.path)["services"].items():
        if spec.get("profiles") == [profile]:
            plain = _interpolate({k: v for k, v in spec.items() if k != "volumes"}, stack.variables)
            found[name] = specs.service(f"{stack.path}: services.{name}", name, plain)
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
        return specs.text(_interpolate(value, stack.variables))
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
