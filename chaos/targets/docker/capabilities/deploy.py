"""Configurations and clocks: a container recreated with another environment, marked by labels."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Deploying, Executing, Skewing
from chaos.targets import faketime
from chaos.targets.docker.engine import DEPLOYED, SKEWED
from chaos.targets.docker.engines import Engines

FAKETIME = "/chaos/libfaketime.so.1"  # path of the library in nodes with a wrong clock
Remake = Callable[[Node, Mapping[str, Any] | None], Awaitable[None]]


class Configuration:
    """The configuration that nodes' containers were made with.

    `remake` recreates a container with additional keys for its Compose service; None restores the stack's description.
    `unfit` says why it cannot do so for a node.
    """

    def __init__(self, engines: Engines, remake: Remake, unfit: Callable[[Node], str | None]) -> None:
        self.engines, self._remake, self.unfit = engines, remake, unfit

    async def label(self, node: Node, label: str) -> str:
        return (await self.engines.find(node)).labels.get(label, "")

    async def labelled(self, label: str) -> Sequence[Node]:
        return [n for n, c in await self.engines.standing() if label in c.labels]

    async def make(self, node: Node, environment: Mapping[str, str], skew: str) -> None:
        """Recreate a node with `environment` added. Labels record that for later processes."""
        extra: dict[str, Any] = {"environment": dict(environment), "labels": {}}
        if environment:
            extra["labels"][DEPLOYED] = json.dumps(dict(environment))
        if skew:
            if (library := faketime.find()) is None:
                raise TargetError(faketime.MISSING)
            extra["environment"] |= faketime.environment(FAKETIME, float(skew))
            extra["labels"][SKEWED] = skew
            extra["volumes"] = [f"{library}:{FAKETIME}:ro"]
        await self._remake(node, extra if extra["labels"] else None)

    async def deployed(self, node: Node) -> Mapping[str, str]:
        found = json.loads(await self.label(node, DEPLOYED) or "{}")
        assert isinstance(found, dict)
        return found


class Deploy(Deploying):
    backend = "the container recreated with another environment, by the compose command"

    def __init__(self, configuration: Configuration, healthy: Callable[[Node], Awaitable[bool]]) -> None:
        self._configuration, self._healthy = configuration, healthy

    def unfit(self, node: Node) -> str | None:
        return self._configuration.unfit(node)

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        await self._configuration.make(node, environment, await self._configuration.label(node, SKEWED))

    async def undeploy(self, node: Node) -> None:
        if await self._configuration.label(node, DEPLOYED):
            await self.deploy(node, {})

    async def deployed(self, node: Node) -> Mapping[str, str]:
        return await self._configuration.deployed(node)

    async def environment(self, node: Node) -> Mapping[str, str] | None:
        engines = self._configuration.engines
        container = await engines.find(node)
        if not container.alive:
            return None
        engine = engines.of(node.name)
        words = await engine.ask(lambda api: api.inspect_container(container.id)["Config"]["Env"] or [])
        return {key: value for key, _, value in (str(word).partition("=") for word in words)}

    async def healthy(self, node: Node) -> bool:
        return await self._healthy(node)

    async def heal(self) -> None:
        for node in await self._configuration.labelled(DEPLOYED):
            await self.deploy(node, {})

    async def residue(self) -> Sequence[str]:
        nodes = await self._configuration.labelled(DEPLOYED)
        return [f"{node.name} runs a configuration of an experiment" for node in nodes]


class Clock(Skewing):
    backend = "libfaketime by LD_PRELOAD, mounted into a container recreated by the compose command"

    def __init__(self, configuration: Configuration, inside: Executing) -> None:
        self._configuration, self._inside = configuration, inside

    def unfit(self, node: Node) -> str | None:
        return faketime.MISSING if faketime.find() is None else self._configuration.unfit(node)

    async def skew(self, nodes: Sequence[Node], seconds: float) -> None:
        for node in nodes:
            await self._make(node, f"{seconds:+.3f}")

    async def unskew(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if await self._configuration.label(node, SKEWED):
                await self._make(node, "")

    async def _make(self, node: Node, skew: str) -> None:
        await self._configuration.make(node, await self._configuration.deployed(node), skew)

    async def clock(self, node: Node) -> tuple[float, float]:
        """The skew of a node and its uncertainty. It is read by a program beside the node's own, after checking the
        library.
        """
        before = time.time()
        code, said = await self._inside.exec(node, ["sh", "-c", "grep -q faketime /proc/1/maps && date +%s.%N"])
        after = time.time()
        if code == 1:  # the node's program has not loaded the library
            return 0.0, (after - before) / 2
        return faketime.told(node.name, code, said) - (before + after) / 2, (after - before) / 2

    async def heal(self) -> None:
        await self.unskew(await self._configuration.labelled(SKEWED))

    async def residue(self) -> Sequence[str]:
        return [f"{node.name} has the wrong time" for node in await self._configuration.labelled(SKEWED)]
