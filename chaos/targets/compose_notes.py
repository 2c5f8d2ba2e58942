"""What a fault has to remember of a node until it is healed, kept by the engine: labels of volumes that hold nothing.

A file would stay on the machine of a harness that died; the engine has these for whoever asks, wherever from, and
`down` removes them with the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from chaos.targets.compose_engine import OURS, Engine

_KIND, _NODE, _FACTS = "chaos.note", "chaos.node", "chaos.facts"


class Notes:
    """Notes of one stack, one a kind and node. Every method raises TargetError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def put(self, kind: str, node: str, facts: Mapping[str, Any]) -> None:
        """Keeps what is noted already: what a node was like before a fault, a second fault does not know."""
        labels = {OURS: self._engine.project, _KIND: kind, _NODE: node, _FACTS: json.dumps(dict(facts))}
        await self._engine.ask(lambda api: api.create_volume(self._name(kind, node), labels=labels))

    async def replace(self, kind: str, node: str, facts: Mapping[str, Any]) -> None:
        await self.drop(kind, [node])
        await self.put(kind, node, facts)

    async def get(self, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """Facts by node."""
        wanted = {"label": [f"{OURS}={self._engine.project}", f"{_KIND}={kind}"]}
        rows = await self._engine.ask(lambda api: api.volumes(filters=wanted)["Volumes"] or [])
        return {row["Labels"][_NODE]: json.loads(row["Labels"][_FACTS]) for row in rows}

    async def drop(self, kind: str, nodes: Iterable[str]) -> None:
        names = [self._name(kind, node) for node in nodes]
        await self._engine.each(names, lambda api, name: api.remove_volume(name), 404)

    def _name(self, kind: str, node: str) -> str:
        return f"{self._engine.project}-note-{kind}-{node}"
