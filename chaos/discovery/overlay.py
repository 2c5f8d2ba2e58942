"""The text of chaos.yaml, which says of a stack what its Compose file does not: suggestions, each in a comment."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from chaos.discovery.model import Map
from chaos.discovery.text import comment, word

_NUMBERED = re.compile(r"(.*[A-Za-z])[-_.]?\d+|(.+)[-_.][a-d]")
_ZONES = "abc"


def overlay(found: Map) -> str:
    return "\n".join(_lines(found)) + "\n"


def groups(found: Map) -> Mapping[str, Sequence[str]]:
    """Services whose names differ in a number or a last letter only, by what they have in common."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name, places in found.components.items():
        if len(places) == 1 and places[0].name == name and (m := _NUMBERED.fullmatch(name)):
            alike[m[1] or m[2]].append(name)
    return {stem: names for stem, names in sorted(alike.items()) if len(names) > 1}


def _globs(found: Map, stem: str, names: Sequence[str]) -> Sequence[str]:
    """One glob, unless it would match others, too."""
    return [f"{stem}*"] if all(p.name in names for p in found.nodes if p.name.startswith(stem)) else names


def _lines(found: Map) -> Iterator[str]:
    yield "# What the Compose file does not say of this stack. That file stays as it is, and all of this is optional."
    yield "# Remove the first `# ` of the lines that you want."
    yield ""
    yield "# A component is a group of nodes that do the same work. Without a word here, each service is one."
    yield "# nodes:"
    known = groups(found)
    examples = {glob: stem for stem, names in known.items() for glob in _globs(found, stem, names)}
    for glob, component in (examples or {p.name: p.component for p in found.nodes[:1]}).items():
        yield f'#   "{glob}": {{component: {word(component)}, owner: somebody}}'
    yield ""
    yield from _zones(found, known)


def _zones(found: Map, known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if found.zones:
        yield from comment(f"The stack has zones already: {', '.join(found.zones)}.")
        return
    yield "# A zone is what fails together: a room, a rack, a data centre. With two or more, `chaos init` also writes"
    yield "# an experiment that loses one."
    replicated = [[p.name for p in places] for places in found.components.values() if len(places) > 1]
    members = [*known.values(), *replicated]
    if not members:
        yield "# Every component here has one node, so the loss of a zone is the loss of its components."
    count = min(len(_ZONES), max(map(len, members), default=0))
    yield from ["# zones:"] if members else []
    for n, zone in enumerate(_ZONES[:count]):
        names = [name for group in members for k, name in enumerate(group) if k % count == n]
        yield f"#   {zone}: [{', '.join(names)}]"
    if replicated:
        yield "# Or, instead of naming replicas: replica n of a service stands in zone n."
        yield "# replicas: spread"
