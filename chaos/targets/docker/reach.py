"""Checks on the engine, before each fault, that network faults reach the nodes as the stack's file says.

Network faults identify a node by one IPv4 address of the file. Packets by another address, by IPv6 or around the
engine's bridge would not be affected, although the fault would be reported as in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.errors import TargetError
from chaos.targets.docker.engine import Container, Engine


async def check(engine: Engine, nodes: Mapping[str, Container], addresses: Mapping[str, str]) -> None:
    """Raises TargetError with every node whose packets a fault would miss, and why. `addresses`: from the file."""
    missed = {name: _missed(c.networks, addresses.get(name, "")) for name, c in nodes.items()}
    joined = [network for c in nodes.values() for network in c.networks.values()]
    drivers = await _drivers(engine, {network.get("NetworkID", "") for network in joined} - {""})
    for name, c in nodes.items():
        for network, found in c.networks.items():
            if (driver := drivers.get(found.get("NetworkID", ""), "bridge")) != "bridge":
                missed[name] = f"packets of its network {network} (driver {driver}) do not pass the packet filter"
    if words := [f"{name}: {why}" for name, why in sorted(missed.items()) if why]:
        raise TargetError(f"faults of the network do not reach every packet of {'; '.join(words)}; nothing was changed")


def _missed(networks: Mapping[str, Mapping[str, Any]], address: str) -> str:
    if len(networks) != 1:
        return f"it is on {len(networks)} networks ({', '.join(sorted(networks)) or 'none'}), expected one"
    ((name, found),) = networks.items()
    asked = found.get("IPAMConfig") or {}
    four = found.get("IPAddress") or asked.get("IPv4Address") or ""  # a stopped node only has its configured address
    if four != address:
        return f"its address on {name} is {four or 'none'}, expected {address or 'a fixed one'} as in the stack's file"
    if found.get("GlobalIPv6Address") or asked.get("IPv6Address") or asked.get("LinkLocalIPs"):
        return f"it has more than one address on {name}"
    return ""


async def _drivers(engine: Engine, ids: set[str]) -> Mapping[str, str]:
    """By network id. Networks that are gone in the meantime have no nodes."""
    if not ids:
        return {}
    rows = await engine.ask(lambda api: api.networks(ids=sorted(ids)))
    return {row["Id"]: row["Driver"] for row in rows}
