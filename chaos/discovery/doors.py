"""The ports at which a stack can be asked: published, exposed, health-checked, or named by another service."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.discovery import needs
from chaos.discovery.model import Door
from chaos.experiment.service import Service

# Ports of common web servers, frameworks and consoles; 8000 to 8999 are taken for HTTP, too.
_HTTP = {80, 3000, 3001, 4000, 4200, 4567, 5000, 5001, 5173, 5601, 7474, 9000, 9090, 9091, 9093, 9200, 15672}
_PORT = re.compile(r"(\d{1,5})(?:-\d{1,5})?(?:/tcp)?")
_CHECK = re.compile(r"http://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|([\w.-]+))(?::(\d{1,5}))?(/[\w./~%-]*)?")


def looks_like_http(port: int) -> bool:
    return port in _HTTP or 8000 <= port <= 8999


@dataclass
class _Seen:
    http: bool = False  # known, not only by the port's number
    path: str = ""
    published: bool = False


def doors(
    services: Mapping[str, Service], specs: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
) -> tuple[Door, ...]:
    """One for each port of a component; those that are published first. Parameters as in `needs.needs`."""
    seen: dict[tuple[str, int], _Seen] = defaultdict(_Seen)  # by service and port
    behind = {service.service or node: node for node, service in sorted(services.items())}
    named = {name: [s for s, node in behind.items() if services[node].node.component == names[name]] for name in names}
    for name, node in behind.items():
        _own(seen, name, services[node], specs[node])
    for node, service in services.items():
        for _, said in needs.texts(service, specs[node]):
            for one in said:
                for host in [one.host] if one.host in behind else named.get(one.host, ()):
                    if one.port:
                        seen[host, one.port].http |= one.http
    found: dict[tuple[str, int], dict[str, _Seen]] = defaultdict(dict)
    for (name, port), each in sorted(seen.items()):
        if not services[behind[name]].network_mode:  # it has no name on the stack's networks
            found[services[behind[name]].node.component, port][name] = each
    made = [_door(component, port, hosts) for (component, port), hosts in sorted(found.items())]
    return tuple(sorted(made, key=lambda door: not door.published))


def _door(component: str, port: int, hosts: Mapping[str, _Seen]) -> Door:
    every = list(hosts.values())
    http = any(one.http for one in every) or looks_like_http(port)
    path = next((one.path for one in every if one.path), "/")
    return Door(component, port, tuple(hosts), http, path, any(one.published for one in every))


def _own(seen: dict[tuple[str, int], _Seen], name: str, service: Service, spec: Mapping[str, Any]) -> None:
    """The ports of a service that its own description names."""
    udp = set(_udp(spec.get("ports") or ()))
    for port in service.ports:
        if port.inside not in udp:
            seen[name, port.inside].published = True
    for text in spec.get("expose") or ():
        if m := _PORT.fullmatch(str(text)):
            seen[name, int(m[1])]  # it is enough to have asked for it
    for host, digits, path in _CHECK.findall(" ".join(service.healthcheck or ())):
        if host in ("", name):
            one = seen[name, int(digits or 80)]
            one.http, one.path = True, path or "/"


def _udp(ports: Iterable[Any]) -> Iterator[int]:
    """The first of each range inside."""
    for port in ports:
        if isinstance(port, dict):
            inside, protocol = str(port.get("target")), port.get("protocol")
        else:
            text, _, protocol = str(port).partition("/")
            inside = text.rpartition(":")[2]
        if protocol == "udp" and (m := re.match(r"\d+", inside)):
            yield int(m[0])
