"""Who depends on whom: `depends_on`, and texts of the environment and the command that name another service."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chaos.discovery.model import Need
from chaos.experiment.service import Service

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[^@/\s]*@)?([A-Za-z0-9_][\w.-]*)(?::(\d{1,5}))?(?![\w.-])")
_HOST_PORT = re.compile(r"(?<![\w.-])([A-Za-z0-9_][\w.-]*):(\d{1,5})(?![\w@])")
_HOST = re.compile(r"(?:^|_)(?:HOSTS?|HOSTNAME|SERVERS?|ADDR|ADDRESS)$", re.IGNORECASE)  # a variable's name
_SCHEMES = {"http": 80}


class Mention(NamedTuple):
    """A host's name in a text, without anything else of the text: that may be secret."""

    host: str
    port: int  # 0 if unknown
    http: bool


def mentions(text: str) -> Iterator[Mention]:
    """The URLs and `host:port` in a text; the same host and port once."""
    seen = set()
    for scheme, host, port in _URL.findall(text):
        found = Mention(host, int(port or _SCHEMES.get(scheme, 0)), scheme == "http")
        seen.add(found[:2])
        yield found
    for host, port in _HOST_PORT.findall(text):
        if (host, int(port)) not in seen:
            yield Mention(host, int(port), False)


def texts(service: Service, spec: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mention]]]:
    """What a service's settings mention, with the place where each was found."""
    for key, value in sorted(service.environment.items()):
        found = list(mentions(value))
        if not found and _HOST.search(key):
            found = [Mention(word.strip(), 0, False) for word in value.split(",")]
        yield f"environment {key}", found
    entry = spec.get("entrypoint") or ()
    words = [*(entry if isinstance(entry, list) else [str(entry)]), *service.command]
    yield "command", list(mentions(" ".join(map(str, words))))


def needs(services: Mapping[str, Service], specs: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
          ) -> tuple[Need, ...]:  # fmt: skip
    """`specs`: the file's services by node; `names`: the component behind each name on the stack's networks."""
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for node, service in sorted(services.items()):
        component = service.node.component
        for other in service.depends_on:
            if other in names:
                found[component, names[other]]["depends_on"] = None
        for place, said in texts(service, specs[node]):
            for one in said:
                if one.host in names:
                    at = f"{one.host}:{one.port}" if one.port else one.host
                    found[component, names[one.host]][f"{place}: {at}"] = None
    return tuple(Need(a, b, tuple(why)) for (a, b), why in sorted(found.items()) if a != b)
