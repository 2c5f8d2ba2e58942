"""Asks the published ports of a running project whether they speak HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec

from chaos.discovery.model import Door, Map
from chaos.errors import TargetError
from chaos.experiment.service import Port
from chaos.targets import httpget

Get = Callable[[str, int, str, float, str], Awaitable[tuple[int, bytes]]]
_WAIT = 2.0  # seconds
_ANY = ("", "0.0.0.0", "::")


async def asked(found: Map, ports: Mapping[str, Iterable[Port]], get: Get = httpget.get) -> Map:
    """The map with what the ports answered. `ports`: those that each node publishes. One GET for each port."""
    doors = await asyncio.gather(*(_asked(door, _address(found, door, ports), get) for door in found.doors))
    return msgspec.structs.replace(found, doors=tuple(doors))


def _address(found: Map, door: Door, ports: Mapping[str, Iterable[Port]]) -> tuple[str, int] | None:
    """Where the port of one of its nodes is published."""
    for place in found.components[door.component]:
        for port in ports.get(place.name, ()):
            if port.outside and 0 <= door.port - port.inside < port.count:
                return "127.0.0.1" if port.host in _ANY else port.host, port.outside + door.port - port.inside
    return None


async def _asked(door: Door, address: tuple[str, int] | None, get: Get) -> Door:
    if address is None:
        return door
    try:
        await get(*address, door.path, _WAIT, door.component)
    except TargetError as e:
        return door if isinstance(e.__cause__, OSError) else msgspec.structs.replace(door, http=False)
    return msgspec.structs.replace(door, http=True)
