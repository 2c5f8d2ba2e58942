"""Notes that a fault needs until it is healed, stored by the engine as labels of empty volumes.

A file would stay on the machine of a harness that died. The engine gives the notes to every process, from anywhere, and
`down` removes them with everything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaos.targets.docker.engine import Engine

if TYPE_CHECKING:
    from docker import APIClient

_KIND, _NODE, _FACTS, _GENERATION = "chaos.note", "chaos.node", "chaos.facts", "chaos.generation"


class Notes:
    """Notes of one stack, one for each kind and node. Every method raises TargetError.

    The engine never changes the labels of a volume, so replacing a note makes a new volume, and the newest counts. Old
    ones are removed afterwards, so that a harness that is killed at any moment leaves a note.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def put(self, kind: str, node: str, facts: Mapping[str, Any]) -> None:
        """Store a note. An existing note is kept, because a second fault does not know the node's original state."""
        await self._write(kind, node, facts, 0)

    async def replace(self, kind: str, node: str, facts: Mapping[str, Any]) -> None:
        old = [row for row in await self._rows(kind) if row["Labels"][_NODE] == node]
        await self._write(kind, node, facts, 1 + max(map(_generation, old), default=-1))
        await self._remove(old)

    async def get(self, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """Facts by node."""
        return await self._engine.ask(lambda api: self.read(api, kind))

    def read(self, api: APIClient, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """The same, with a client at hand. Blocks."""
        rows = sorted(self._found(api, kind), key=_generation)
        return {row["Labels"][_NODE]: json.loads(row["Labels"][_FACTS]) for row in rows}

    async def drop(self, kind: str, nodes: Iterable[str]) -> None:
        if doomed := set(nodes):
            await self._remove([row for row in await self._rows(kind) if row["Labels"][_NODE] in doomed])

    async def _rows(self, kind: str) -> Sequence[Mapping[str, Any]]:
        return await self._engine.ask(lambda api: self._found(api, kind))

    def _found(self, api: APIClient, kind: str) -> Sequence[Mapping[str, Any]]:
        wanted = {"label": [f"{k}={v}" for k, v in self._engine.own(**{_KIND: kind}).items()]}
        return api.volumes(filters=wanted)["Volumes"] or []

    async def _write(self, kind: str, node: str, facts: Mapping[str, Any], generation: int) -> None:
        said = {_KIND: kind, _NODE: node, _FACTS: json.dumps(dict(facts)), _GENERATION: str(generation)}
        name, labels = self._name(kind, node, generation), self._engine.own(**said)
        await self._engine.ask(lambda api: api.create_volume(name, labels=labels))

    async def _remove(self, rows: Iterable[Mapping[str, Any]]) -> None:
        await self._engine.each([row["Name"] for row in rows], lambda api, name: api.remove_volume(name), 404)

    def _name(self, kind: str, node: str, generation: int) -> str:
        """A unique name: two stacks may have projects of the same name, one after the other."""
        own = hashlib.sha256(f"{self._engine.stack}\0{kind}\0{node}".encode()).hexdigest()[:12]
        return f"{self._engine.project}-note-{kind}-{node}-{own}.{generation}"


def _generation(row: Mapping[str, Any]) -> int:
    return int(row["Labels"].get(_GENERATION, 0))
