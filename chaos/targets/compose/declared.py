"""What Compose makes of a stack's file, and under which names; and which nodes network faults cannot reach.

The file is read each time, as Compose does, so that the result corresponds to what Compose would make of it now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack

Specs = Mapping[str, Mapping[str, Any]]  # by key of the file, without interpolation


@dataclass(frozen=True)
class Declared:
    """`networks` and `volumes` are those that Compose itself makes; external ones belong to others."""

    services: Specs
    networks: Specs  # including `default` if a service may be on it
    volumes: Specs
    container_names: Mapping[str, str]  # by service, if the file gives one
    network_names: Mapping[str, str]  # by key, if the file gives one; likewise below
    volume_names: Mapping[str, str]
    external_volumes: frozenset[str]  # names
    conditions: bool  # whether a service waits until another one is healthy, or has ended


def declared(stack: Stack) -> Declared:
    """Raises BadExperiment."""
    doc = stackfile.raw(stack)
    services = _specs(doc.get("services"))
    networks = {key: _plain(spec) for key, spec in _specs(doc.get("networks")).items()}
    volumes = _specs(doc.get("volumes"))
    if any(_on_default(spec) for spec in services.values()):
        networks.setdefault("default", {})

    def names(specs: Specs, key: str = "name") -> dict[str, str]:
        return {k: stackfile.settled(stack, spec[key]) for k, spec in specs.items() if spec.get(key)}

    def ours(specs: Specs) -> Specs:
        return {k: spec for k, spec in specs.items() if not _external(stack, spec)}

    return Declared(
        services,
        ours(networks),
        ours(volumes),
        names(services, "container_name"),
        names(ours(networks)),
        names(ours(volumes)),
        frozenset(_external_name(stack, k, spec) for k, spec in volumes.items() if _external(stack, spec)),
        any(_waits(spec) for spec in services.values()),
    )


def _specs(section: Any) -> dict[str, Mapping[str, Any]]:
    rows = section.items() if isinstance(section, dict) else ()  # Compose refuses everything else
    return {key: spec if isinstance(spec, dict) else {} for key, spec in rows}


def _waits(spec: Mapping[str, Any]) -> bool:
    asked = spec.get("depends_on")
    hows = asked.values() if isinstance(asked, dict) else ()
    return any(isinstance(how, dict) and how.get("condition", _STARTED) != _STARTED for how in hows)


def _on_default(spec: Mapping[str, Any]) -> bool:
    """Whether it may be on the default network; `extends` is not followed."""
    return "extends" in spec or (not spec.get("network_mode") and "default" in (spec.get("networks") or ["default"]))


def _external(stack: Stack, spec: Mapping[str, Any]) -> bool:
    found = spec.get("external")
    return bool(found) and (isinstance(found, dict) or stackfile.settled(stack, found).lower() not in _NO)


_STARTED = "service_started"
# Text that YAML 1.1, and therefore docker-compose 1.29, reads as truth values.
_YES, _NO = ("true", "yes", "on", "y"), ("false", "no", "off", "n")


def _plain(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """A network's spec with booleans where 1.29 accepts no text."""
    word = str(spec.get("enable_ipv6")).lower()
    return {**spec, "enable_ipv6": word in _YES} if word in (*_YES, *_NO) else spec


def _external_name(stack: Stack, key: str, spec: Mapping[str, Any]) -> str:
    old = spec["external"].get("name") if isinstance(spec["external"], dict) else None
    return stackfile.settled(stack, old or spec.get("name") or key)


def unreachable(stack: Stack, doc: Mapping[str, Any], service: str) -> str:
    """Why network faults miss packets of a node; empty if they miss none. `doc` is the raw file.

    Network faults see IPv4 packets that cross the engine's bridges. What only the engine knows (an external network) is
    checked before the first fault, see docker/reach.
    """
    spec = _specs(doc["services"])[service]
    if mode := spec.get("network_mode"):
        return f"network_mode: {mode}, so it has no address of its own; give it a network under `networks:`"
    asked = spec.get("networks") or ["default"]
    joined: Mapping[str, Any] = asked if isinstance(asked, dict) else dict.fromkeys(asked)
    shared = _specs(doc.get("networks"))
    missed = (_missed(stack, network, own or {}, shared.get(network, {})) for network, own in joined.items())
    return next(filter(None, missed), "")


def _missed(stack: Stack, network: str, own: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    driver = stackfile.settled(stack, shared.get("driver"))
    if driver not in ("", "bridge"):
        return f"packets of its network {network} (driver {driver}) do not pass the packet filter; use driver bridge"
    subnets = [config.get("subnet") for config in (shared.get("ipam") or {}).get("config") or ()]
    six = any(":" in stackfile.settled(stack, subnet) for subnet in subnets)
    if six or own.get("ipv6_address") or stackfile.settled(stack, shared.get("enable_ipv6")).lower() in _YES:
        return f"it has an IPv6 address (network {network}), which faults of the network do not reach; leave IPv6 out"
    if own.get("link_local_ips"):
        return f"it has several addresses on network {network} (link_local_ips), and faults of the network reach one"
    return ""
