"""Keeps network faults on the nodes that they are meant for: addresses are the engine's, and may change at any time.

A node has an address on each of its networks, which the engine may choose anew at each start, and networks can be
joined and left while a fault is in force. Packets by IPv6 or around the engine's bridge are not reached by faults,
although the fault would be reported as in force, so such nodes are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from chaos.errors import TargetError
from chaos.protocols.links import Link
from chaos.targets.docker.engine import Container, Engine
from chaos.targets.network import Addresses, Network

_MOVES = {"type": ["container", "network"], "event": ["start", "die", "connect", "disconnect"]}
_BLIND = (
    "the Docker engine stopped telling what starts and moves, so faults of the network may miss nodes; see whether "
    "`docker ps` answers, then run it again"
)


class Reach:
    """The addresses of one network's nodes. Methods raise TargetError."""

    def __init__(self, engine: Engine, network: Network) -> None:
        self._engine, self._network = engine, network
        self._watch: asyncio.Task[None] | None = None

    async def check(self, links: Sequence[Link]) -> None:
        """Look up the addresses before a fault, and follow them from now on. Raises with every node whose packets a
        fault of `links` would miss, and why.
        """
        nodes = await self._engine.containers()
        names = {name for link in links for name in link.a | (link.b or frozenset())}
        await _refuse(self._engine, {name: c for name, c in nodes.items() if name in names})
        await self._follow()
        await self._network.move(addresses(nodes))

    async def lay(self, names: Iterable[str]) -> None:
        """Look up the addresses of nodes that were just started. The rules in force follow them."""
        await self._network.move(await found(self._engine))

    async def close(self) -> None:
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None

    async def _follow(self) -> None:
        """Follow the engine's events; one watcher for each event loop."""
        if self._watch is None or self._watch.done() or self._watch.get_loop() is not asyncio.get_running_loop():
            listening = asyncio.Event()
            self._watch = asyncio.create_task(self._watched(listening))
            waiting = asyncio.create_task(listening.wait())
            await asyncio.wait([self._watch, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._watch.done():
                await self._watch

    async def _watched(self, listening: asyncio.Event) -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Queue[bool]()

        def tell(going_on: bool) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(told.put_nowait, going_on)

        stop = await self._engine.events(_MOVES, tell)
        listening.set()
        try:
            while await told.get():
                while not told.empty():
                    if not told.get_nowait():
                        raise TargetError(_BLIND)
                await self.lay(())
            raise TargetError(_BLIND)
        except TargetError as e:
            self._network.lose(e)
        finally:
            stop()


async def found(engine: Engine) -> Addresses:
    """The addresses of the engine's nodes."""
    return addresses(await engine.containers())


def addresses(nodes: Mapping[str, Container]) -> Addresses:
    """The nodes' IPv4 addresses, by node and network. A node that is down only has those that it asked for."""
    every = {name: {network: _four(found) for network, found in c.networks.items()} for name, c in nodes.items()}
    return {name: {network: four for network, four in found.items() if four} for name, found in every.items()}


def _four(found: Mapping[str, Any]) -> str:
    return str(found.get("IPAddress") or (found.get("IPAMConfig") or {}).get("IPv4Address") or "")


async def _refuse(engine: Engine, nodes: Mapping[str, Container]) -> None:
    joined = [network for c in nodes.values() for network in c.networks.values()]
    drivers = await _drivers(engine, {network.get("NetworkID", "") for network in joined} - {""})
    missed = {name: _missed(c, drivers) for name, c in nodes.items()}
    if words := [f"{name}: {why}" for name, why in sorted(missed.items()) if why]:
        raise TargetError(f"faults of the network do not reach every packet of {'; '.join(words)}; nothing was changed")


def _missed(node: Container, drivers: Mapping[str, str]) -> str:
    if not node.networks:
        return "it is on no network of its own"
    for name, found in sorted(node.networks.items()):
        asked = found.get("IPAMConfig") or {}
        if (driver := drivers.get(found.get("NetworkID", ""), "bridge")) != "bridge":
            return f"packets of its network {name} (driver {driver}) do not pass the packet filter"
        if node.alive and not _four(found):
            return f"it has no IPv4 address on {name}"
        if found.get("GlobalIPv6Address") or asked.get("IPv6Address"):
            return f"it has an IPv6 address on {name}"
        if asked.get("LinkLocalIPs"):
            return f"it has more than one address on {name}"
    return ""


async def _drivers(engine: Engine, ids: set[str]) -> Mapping[str, str]:
    """By network id. Networks that are gone in the meantime have no nodes."""
    if not ids:
        return {}
    rows = await engine.ask(lambda api: api.networks(ids=sorted(ids)))
    return {row["Id"]: row["Driver"] for row in rows}
