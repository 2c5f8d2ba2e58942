"""Configurations: a node's command is restarted with another environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos.errors import CannotLook
from chaos.model import Node
from chaos.protocols.capabilities import Deploying
from chaos.targets import procfs
from chaos.targets.process.isolation import is_ours_yet, read_json
from chaos.targets.process.nodes import SETTINGS, Nodes
from chaos.waiting import NotYet, wait_until

BEGINS_WITHIN = 2.0  # seconds from the start of a node's root to its command


class Deploy(Deploying):
    backend = "the node's command again, with another environment"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        self._file(node).parent.mkdir(parents=True, exist_ok=True)
        self._file(node).write_text(json.dumps(dict(environment)), encoding="utf-8")
        await self._nodes.again(node)

    async def undeploy(self, node: Node) -> None:
        if await self.deployed(node):
            self._file(node).unlink()
            await self._nodes.again(node)

    async def deployed(self, node: Node) -> Mapping[str, str]:
        return read_json(self._file(node))

    async def environment(self, node: Node) -> Mapping[str, str] | None:
        """The environment of the node's command (the first child of its root), according to the kernel."""
        if (command := await self._command(node.name)) is None:
            return None
        try:
            found = Path(f"/proc/{command.pid}/environ").read_bytes()
        except OSError as e:
            if not procfs.alive(command):
                return None
            raise CannotLook(f"{node.name}: its environment cannot be read: {e.strerror}") from e
        pairs = (word.partition(b"=") for word in found.split(b"\0") if word)
        return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}

    async def _command(self, name: str) -> procfs.Proc | None:
        """The node's command, or None if the node is not running. Its root exists slightly earlier."""

        async def found() -> Sequence[procfs.Proc | None]:
            if (group := self._nodes.namespaces.groups().get(name)) is None:
                return [None]
            begun = [p for p in group.members if p.parent == group.root.pid and not is_ours_yet(p.pid)]
            return sorted(begun, key=lambda p: p.started)

        try:
            return (await wait_until(found, BEGINS_WITHIN, every=0.01))[0]
        except NotYet:
            raise CannotLook(f"{name}: its command has not begun within {BEGINS_WITHIN:g} s") from None

    async def healthy(self, node: Node) -> bool:
        return await self._nodes.healthy(node)

    async def heal(self) -> None:
        for node in self._nodes.known():
            await self.undeploy(node)

    async def residue(self) -> Sequence[str]:
        told = [n.name for n in self._nodes.known() if await self.deployed(n)]
        return [f"{name} runs a configuration of an experiment" for name in told]

    def _file(self, node: Node) -> Path:
        return self._nodes.folder(node.name) / SETTINGS[0]
