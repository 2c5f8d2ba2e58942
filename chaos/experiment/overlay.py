"""Reads chaos.yaml, which says beside a Compose file what that file does not: zones, owners, components and knobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chaos import forms, yamlfile
from chaos.errors import BadExperiment
from chaos.experiment.stack_form import Extension
from chaos.model import Node

FILE = "chaos.yaml"
Globs = Annotated[list[str], Meta(description="names of nodes, or globs such as etcd*")]
Text = Annotated[str, Meta(min_length=1)]


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """What is said of some nodes. It takes precedence over labels of the Compose file."""

    component: Text | None = None
    zone: Text | None = None
    owner: Text | None = None


class Overlay(msgspec.Struct, forbid_unknown_fields=True):
    """The content of chaos.yaml; every key is optional."""

    compose: Annotated[list[Text], Meta(description="the Compose files, merged in this order")] | None = None
    nodes: Annotated[dict[str, Said], Meta(description="by node, or by glob; the first match counts")] = {}
    zones: Annotated[dict[Text, Globs], Meta(description="the nodes of each zone")] = {}
    replicas: Annotated[Literal["spread"], Meta(description="replica n stands in zone n")] | None = None
    extension: Annotated[Extension, Meta(description="as `x-chaos` of the Compose file")] | None = msgspec.field(
        default=None, name="x-chaos"
    )


def read(folder: Path) -> tuple[Overlay, Mapping[str, Any]]:
    """The file in `folder`, and its `x-chaos` as written; empty if there is none. Raises BadExperiment."""
    path = folder / FILE
    if not path.is_file():
        return Overlay(), {}
    found = yamlfile.read(path, as_text=lambda keys: bool({"nodes", "zones"} & set(keys))) or {}
    made = forms.convert(found, Overlay, str(path))
    if made.compose is not None and not (made.compose and Path(made.compose[0]).name == made.compose[0]):
        raise BadExperiment(f"{path}: compose: expected the name of a file beside it first, then others")
    return made, found.get("x-chaos") or {}


def nodes(overlay: Overlay, folder: Path, found: Sequence[Node], services: Mapping[str, str]) -> Mapping[str, Node]:
    """The nodes by name, with what the file says of them. `services`: the service of each replica.

    Raises BadExperiment, also for a glob that no node matches.
    """
    if problems := [f"{folder / FILE}: {words}" for words in _problems(overlay, found)]:
        raise BadExperiment(*problems)
    zones = sorted(
        {*overlay.zones, *(said.zone for said in overlay.nodes.values() if said.zone)} or {n.zone for n in found}
    )
    return {node.name: _said(overlay, node, services, [z for z in zones if z]) for node in found}


def _said(overlay: Overlay, node: Node, services: Mapping[str, str], zones: Sequence[str]) -> Node:
    said = next((said for glob, said in overlay.nodes.items() if fnmatchcase(node.name, glob)), Said())
    zone = said.zone or next((z for z, globs in overlay.zones.items() if _any(node, globs)), "")
    if not zone and overlay.replicas and zones and (service := services.get(node.name)):
        number = int(node.name.removeprefix(f"{service}-"))
        zone = zones[(number - 1) % len(zones)]
    given = {"component": said.component, "zone": zone or None, "owner": said.owner}
    changed = {key: text for key, text in given.items() if text}
    return replace(node, **changed, labels={**node.labels, **{f"chaos.{key}": text for key, text in changed.items()}})


def _any(node: Node, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(node.name, glob) for glob in globs)


def _problems(overlay: Overlay, found: Sequence[Node]) -> Iterator[str]:
    known = ", ".join(sorted(node.name for node in found)) or "none"
    for glob in overlay.nodes:
        if not any(_any(node, [glob]) for node in found):
            yield f"nodes: no node is called {glob}; nodes: {known}"
    for zone, globs in overlay.zones.items():
        for glob in globs:
            if not any(_any(node, [glob]) for node in found):
                yield f"zones.{zone}: no node is called {glob}; nodes: {known}"
    for node in found:
        if len(zones := [zone for zone, globs in overlay.zones.items() if _any(node, globs)]) > 1:
            yield f"zones: {node.name} stands in {' and in '.join(zones)}; a node has one zone"
