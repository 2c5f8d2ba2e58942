"""Describes a running project as a Compose file would, from what the engine says of its containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos import naming
from chaos.errors import BadExperiment, TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.targets.attached.project import Project, touched
from chaos.targets.docker.engine import NUMBER, ONE_OFF, PROJECT, STACK, Container, connect, containers, in_words

if TYPE_CHECKING:
    from docker import APIClient

_COMPOSE = "com.docker.compose."
_OWN_NETWORKS = ("host", "none", "container:")  # prefixes of modes without a network of its own


def attach(file: Path, posture: str | None, sets: Mapping[str, str], environ: Mapping[str, str] | None) -> Stack:
    """The project that `file`, a reference such as project:NAME, names. Raises BadExperiment, TargetError.

    Its nodes are the containers that run, and those that the harness has ended. The others are named `elsewhere`.
    """
    name = naming.project(file)
    assert name is not None, f"{file} is no project"
    with in_words():
        api = connect(timeout=10)
        try:
            doc, services, down = _described(api, name)
        finally:
            api.close()
    found = stackfile.read(
        file, posture, sets, strict=False, environ=environ, resolve=lambda *_: doc, written={"services": down}
    )
    several = {node: service for node, service in services.items() if service != node}
    made = {name: replace(one, service=several.get(name, "")) for name, one in found.services.items()}
    return replace(found, services=made, name=name)


def _described(api: APIClient, name: str) -> tuple[Mapping[str, Any], Mapping[str, str], Mapping[str, Any]]:
    """The project as a Compose file, the service of each node, and the nodes that are down, as in a file."""
    engine = Project(name)
    found = [c for c in engine.labelled(api, engine.nodes()) if c.labels.get(ONE_OFF) != "True"]
    if not found:
        running = sorted({c.labels[PROJECT] for c in containers(api) if PROJECT in c.labels})
        raise BadExperiment(f"--project {name}: the engine has no container of it; {_known(running)}")
    if ours := sorted({c.labels[STACK] for c in found if STACK in c.labels}):
        raise BadExperiment(f"--project {name}: chaos started it itself; name it with --stack {ours[0]}")
    several = {service for service, count in Counter(c.node for c in found).items() if count > 1}
    names = {c.id: naming.replica(c.node, int(c.labels.get(NUMBER, 1))) if c.node in several else c.node for c in found}
    ended = touched(api, engine)
    here = [c for c in found if c.state == "running" or names[c.id] in ended]
    if not here:
        raise BadExperiment(f"--project {name}: none of its containers runs ({', '.join(sorted(names.values()))})")
    specs = {names[c.id]: _escaped(_spec(api.inspect_container(c.id), c)) for c in here}
    down = {names[c.id]: {"image": "", "labels": _labels(c)} for c in found if c not in here}
    networks = {network for spec in specs.values() for network in spec.get("networks", ())}
    doc = {"services": specs, "networks": _networks(api, networks)}
    return doc, {names[c.id]: c.node for c in here}, down


def _known(projects: Sequence[str]) -> str:
    return f"it has {', '.join(projects)}" if projects else "it has no project of Compose at all"


def _spec(found: Mapping[str, Any], container: Container) -> dict[str, Any]:
    config, host = found["Config"], found["HostConfig"]
    mode = str(host.get("NetworkMode") or "")
    pairs = [word.partition("=") for word in config.get("Env") or ()]
    spec: dict[str, Any] = {
        "image": config["Image"],
        "command": config.get("Cmd"),
        "environment": {key: value for key, _, value in pairs},
        "labels": _labels(container),
        "volumes": [_mount(m) for m in found.get("Mounts") or () if m.get("Destination")],
        "ports": list(_ports(found["NetworkSettings"].get("Ports") or {})),
        "expose": sorted(config.get("ExposedPorts") or {}),
        "entrypoint": config.get("Entrypoint") or [],
        "depends_on": _depends(container),
    }
    if health := config.get("Healthcheck"):
        spec["healthcheck"] = _health(health)
    if mode.startswith(_OWN_NETWORKS):
        spec["network_mode"] = mode
    else:
        spec["networks"] = dict.fromkeys(found["NetworkSettings"].get("Networks") or ())
    return spec


def _labels(container: Container) -> dict[str, str]:
    """A node's component is its service, unless a label says otherwise."""
    own = {key: value for key, value in container.labels.items() if not key.startswith(_COMPOSE)}
    return {"chaos.component": container.node, **own}


def _depends(container: Container) -> list[str]:
    """The services that Compose noted, SERVICE:CONDITION:RESTART each; 1.29 notes none."""
    noted = container.labels.get(f"{_COMPOSE}depends_on", "")
    return [word.partition(":")[0] for word in noted.split(",") if word]


def _mount(found: Mapping[str, Any]) -> str:
    source = found.get("Name") if found["Type"] == "volume" else found.get("Source")
    return f"{source}:{found['Destination']}" if source else str(found["Destination"])


def _ports(found: Mapping[str, Any]) -> Iterable[str]:
    for inside, bindings in sorted(found.items()):
        for binding in bindings or ():
            if ":" not in binding["HostIp"]:
                yield f"{binding['HostIp'] or '0.0.0.0'}:{binding['HostPort']}:{inside.partition('/')[0]}"


def _health(found: Mapping[str, Any]) -> dict[str, Any]:
    """The engine counts in nanoseconds; 0 stands for its default."""
    keys = {"Interval": "interval", "Timeout": "timeout", "StartPeriod": "start_period"}
    times = {ours: f"{found[key] / 1e9:.6f}s" for key, ours in keys.items() if found.get(key)}
    retries = {"retries": found["Retries"]} if found.get("Retries") else {}
    return {"test": found.get("Test") or ["NONE"], **times, **retries}


def _networks(api: APIClient, names: Iterable[str]) -> dict[str, Any]:
    rows = {row["Name"]: row for row in api.networks(names=sorted(names))} if names else {}
    return {
        name: {"driver": rows[name]["Driver"], "enable_ipv6": bool(rows[name].get("EnableIPv6"))}
        for name in names
        if name in rows
    }


def _escaped(value: Any) -> Any:
    """Texts as in a Compose file, where $$ stands for $."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(one) for key, one in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, list) else value


def unavailable() -> str | None:
    """Why no project can be attached to on this machine; None if it can."""
    try:
        with in_words():
            connect(timeout=3).close()
    except TargetError as e:
        return str(e)
    return None
