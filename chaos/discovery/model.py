"""The map of a stack, as `chaos discover --json` prints it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A node."""

    name: str
    service: str  # as the Compose file calls it
    component: str
    zone: str
    health_check: bool
    published: tuple[str, ...]  # [[ADDRESS:]OUTSIDE:]INSIDE, as in a Compose file
    networks: tuple[str, ...]


class Need(msgspec.Struct, frozen=True):
    """One component depends on another."""

    component: str
    on: str
    why: tuple[str, ...]  # depends_on, or where the other one's name was found


class Door(msgspec.Struct, frozen=True):
    """A port of a component at which users can be served."""

    component: str
    port: int
    hosts: tuple[str, ...]  # services, by their names on the stack's network
    http: bool
    path: str = "/"  # of its health check, if that asks by HTTP
    published: bool = False

    @property
    def name(self) -> str:
        return f"{self.component}:{self.port}"


class Unreached(msgspec.Struct, frozen=True):
    """Faults that some nodes cannot have."""

    faults: tuple[str, ...]
    nodes: tuple[str, ...]
    why: str


class Map(msgspec.Struct, frozen=True):
    stack: str  # the file, or the running project
    target: str
    nodes: tuple[Place, ...]
    networks: Mapping[str, tuple[str, ...]]  # the nodes on each
    needs: tuple[Need, ...]
    single: Mapping[str, tuple[str, ...]]  # components with one node, and those that depend on each
    doors: tuple[Door, ...]
    reached: Mapping[str, tuple[str, ...]]  # the nodes that can have each fault
    unreached: tuple[Unreached, ...]
    missing: tuple[str, ...]  # what would make better experiments possible

    @property
    def components(self) -> Mapping[str, tuple[Place, ...]]:
        """By name."""
        names = sorted({p.component for p in self.nodes})
        return {name: tuple(p for p in self.nodes if p.component == name) for name in names}

    @property
    def zones(self) -> tuple[str, ...]:
        return tuple(sorted({p.zone for p in self.nodes if p.zone}))
