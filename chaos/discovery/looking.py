"""Draws the map of a stack, from its description and from what the target says that faults can reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos import naming, registry
from chaos.discovery.doors import doors
from chaos.discovery.model import Map, Need, Place, Unreached
from chaos.discovery.needs import needs
from chaos.experiment import stack as stackfile
from chaos.experiment.service import Port, Service
from chaos.experiment.stack import Stack
from chaos.protocols import Target
from chaos.protocols.table import Refusal

Specs = Mapping[str, Mapping[str, Any]]


def look(stack: Stack, target: Target) -> Map:
    """Starts nothing. Raises BadExperiment, as reading the stack does."""
    services = {node.name: stack.services[node.name] for node in target.nodes() if node.name in stack.services}
    written = stackfile.raw(stack).get("services") or {}
    specs = {node: written.get(node) or written.get(service.service) or {} for node, service in services.items()}
    names = _names(services, specs)
    places = tuple(_place(node, service, specs[node]) for node, service in sorted(services.items()))
    networks = sorted({network for place in places for network in place.networks})
    found = needs(services, specs, names)
    reached, unreached = _faults(target)
    project = naming.project(stack.path)
    return Map(
        stack=f"project {project}" if project else str(stack.path),
        target=target.name,
        nodes=places,
        networks={name: tuple(p.name for p in places if name in p.networks) for name in networks},
        needs=found,
        single=_single(places, found),
        doors=doors(services, specs, names),
        reached=reached,
        unreached=unreached,
        missing=tuple(_missing(places)),
    )


def _names(services: Mapping[str, Service], specs: Specs) -> Mapping[str, str]:
    """The component behind each name by which services find each other."""
    found: dict[str, str] = {}
    for node, service in services.items():
        spec, component = specs[node], service.node.component
        joined = spec.get("networks")
        owns = [own for own in joined.values() if own] if isinstance(joined, dict) else []
        aliases = [alias for own in owns for alias in own.get("aliases") or ()]
        given = [spec.get("container_name"), spec.get("hostname"), *aliases]
        for name in (node, service.service, *map(str, filter(None, given))):
            found.setdefault(name, component)
    return {name: component for name, component in found.items() if name}


def _place(node: str, service: Service, spec: Mapping[str, Any]) -> Place:
    joined = () if service.network_mode else sorted(spec.get("networks") or ["default"])
    return Place(
        name=node,
        service=service.service or node,
        component=service.node.component,
        zone=service.node.zone,
        health_check=service.healthcheck is not None,
        published=tuple(_written(port) for port in service.ports),
        networks=tuple(joined),
    )


def _written(port: Port) -> str:
    def span(first: int) -> str:
        return str(first) if port.count == 1 else f"{first}-{first + port.count - 1}"

    outside = span(port.outside) if port.outside else ""
    return ":".join(filter(None, (port.host, outside, span(port.inside))))


def _single(places: Sequence[Place], found: Sequence[Need]) -> Mapping[str, tuple[str, ...]]:
    counts: dict[str, int] = defaultdict(int)
    for place in places:
        counts[place.component] += 1
    needed = sorted({need.on for need in found if counts[need.on] == 1})
    return {one: tuple(sorted({need.component for need in found if need.on == one})) for one in needed}


def _faults(target: Target) -> tuple[Mapping[str, tuple[str, ...]], tuple[Unreached, ...]]:
    """The nodes that can have each fault; and those that cannot, by reason."""
    nodes = sorted(target.nodes())
    reached: dict[str, tuple[str, ...]] = {}
    reasons: dict[str, dict[str, list[str]]] = defaultdict(dict)  # by reason and fault: nodes
    for fault in registry.names("chaos.faults"):
        found = target.can.get(registry.load("chaos.faults", fault).needs)
        whys = {n.name: found.words if isinstance(found, Refusal) else found.unfit(n) or "" for n in nodes}
        reached[fault] = tuple(name for name, why in whys.items() if not why)
        for name, why in whys.items():
            if why:
                reasons[why].setdefault(fault, []).append(name)
    grouped: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for why, by_fault in reasons.items():
        for fault, names in by_fault.items():
            grouped[why, tuple(names)].append(fault)
    return reached, tuple(Unreached(tuple(faults), names, why) for (why, names), faults in grouped.items())


def _missing(places: Sequence[Place]) -> Iterator[str]:
    if not any(place.zone for place in places):
        yield "no zones: chaos.yaml can say which nodes fail together, and a zone can then be lost"
    if unchecked := [place.name for place in places if not place.health_check]:
        yield f"no health check: {', '.join(unchecked)}; such a node is up when it has been running for a second"
