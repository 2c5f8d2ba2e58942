"""The map as text, one statement a line: for terminals, pipes and grep."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from chaos import safe
from chaos.discovery.model import Map, Place


def render(found: Map) -> str:
    """Text of files and of the engine is made safe."""
    return "".join(f"{safe.line(line)}\n" for line in _lines(found))


def _lines(found: Map) -> Iterator[str]:
    counted = ", ".join(
        (_count(found.nodes, "node"), _count(found.components, "component"), _count(found.zones, "zone"))
    )
    yield f"{found.stack} on target {found.target}: {counted}"
    for zone in (*found.zones, ""):
        here = [place for place in found.nodes if place.zone == zone]
        if here:
            yield from ("", f"zone {zone}" if zone else "nodes without a zone")
        for component in sorted({place.component for place in here}):
            yield f"  {component}"
            yield from (f"    {_place(place)}" for place in here if place.component == component)
    yield from _part("networks", [f"{name}: {', '.join(nodes)}" for name, nodes in found.networks.items()])
    yield from _part("depends on", [f"{n.component} on {n.on}: {'; '.join(n.why)}" for n in found.needs])
    yield from _part(
        "single points of failure",
        [f"{name}: one node, and {', '.join(others)} depend on it" if len(others) > 1
         else f"{name}: one node, and {others[0]} depends on it" for name, others in found.single.items()],
    )  # fmt: skip
    yield from _part(
        "ports that users could be served at",
        [f"{d.name}: {f'HTTP, GET {d.path}' if d.http else 'TCP'} (host {', '.join(d.hosts)})" for d in found.doors],
    )
    yield from _part(
        "faults cannot reach",
        [f"{', '.join(u.faults)} on {_nodes(found, u.nodes)}: {u.why}" for u in found.unreached],
    )
    yield from _part("missing for better experiments", found.missing, none="nothing")


def _part(title: str, lines: tuple[str, ...] | list[str], none: str = "none found") -> Iterator[str]:
    yield from ("", title)
    yield from (f"  {line}" for line in lines or [none])


def _count(of: Sized, what: str) -> str:
    return f"{len(of) or 'no'} {what}{'s' * (len(of) != 1)}"


def _place(place: Place) -> str:
    health = "health check" if place.health_check else "no health check"
    ports = f"published {', '.join(place.published)}" if place.published else "no published port"
    networks = f"networks {', '.join(place.networks)}" if place.networks else "no network of its own"
    return "; ".join((place.name, health, ports, networks))


def _nodes(found: Map, names: tuple[str, ...]) -> str:
    return "every node" if len(names) == len(found.nodes) > 1 else ", ".join(names)
