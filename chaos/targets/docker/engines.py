"""The engines of a stack's nodes: one for all of them, or several machines with one each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from chaos.errors import TargetError
from chaos.model import Node
from chaos.targets.docker.engine import AT_ONCE, Container, Engine
from chaos.targets.docker.notes import Notes

if TYPE_CHECKING:
    from docker import APIClient

DONE = "done"  # kind of note: a node that had something to do once, and has done it
TOUCHED = "touched"  # kind of note: a node of others that faults may have ended or frozen
T_co = TypeVar("T_co", covariant=True)


class Engines:
    """`of` gives the engine of a node, by the node's name. Methods raise TargetError."""

    def __init__(self, nodes: Sequence[Node], of: Callable[[str], Engine]) -> None:
        self.nodes, self.of = nodes, of
        self.all: Sequence[Engine] = list(dict.fromkeys(of(node.name) for node in nodes))

    async def containers(self) -> Mapping[str, Container]:
        """The containers of all nodes that have one, by name, in any state."""
        found: dict[str, Container] = {}
        for engine in self.all:
            found |= await engine.containers()
        return found

    async def standing(self) -> Sequence[tuple[Node, Container]]:
        """The nodes that have a container and are the harness's to start and thaw.

        Nodes that were never up, or have done their work, are not down. Of a stack that others started, it is the nodes
        that faults have touched.
        """
        found, meant = await self.containers(), set[str]()
        for engine in self.all:
            mine = {node.name for node in self.nodes if self.of(node.name) is engine} & found.keys()
            notes = Notes(engine)
            meant |= (
                mine & (await notes.get(TOUCHED)).keys() if engine.attached else mine - (await notes.get(DONE)).keys()
            )
        return [(node, found[node.name]) for node in self.nodes if node.name in meant]

    async def touch(self, nodes: Iterable[Node]) -> None:
        """Note, before a fault ends or freezes nodes that others started, that it does."""
        for node in nodes:
            if (engine := self.of(node.name)).attached:
                await Notes(engine).put(TOUCHED, node.name, {})

    async def untouch(self) -> None:
        """Forget the nodes that run as before."""
        found = await self.containers()
        for engine in self.all:
            if engine.attached:
                notes = Notes(engine)
                gone = [
                    name for name in await notes.get(TOUCHED) if name not in found or found[name].state == "running"
                ]
                await notes.drop(TOUCHED, gone)

    async def find(self, node: Node) -> Container:
        return (await self.those([node]))[0]

    async def those(self, nodes: Iterable[Node]) -> Sequence[Container]:
        nodes, found = list(nodes), await self.containers()
        if missing := [n.name for n in nodes if n.name not in found]:
            project = self.of(missing[0]).project
            raise TargetError(f"{', '.join(missing)}: no container of project {project}; is the stack up?")
        return [found[n.name] for n in nodes]

    async def each(
        self,
        containers: Sequence[Container],
        do: Callable[[APIClient, str], object],
        *spare: int,
        at_once: int = AT_ONCE,
    ) -> None:
        """Like Engine.each for nodes' containers, on the engine of each."""
        by = [(engine, [c.id for c in containers if self.of(c.node) is engine]) for engine in self.all]
        work = (engine.each(mine, do, *spare, at_once=at_once) for engine, mine in by)
        for end in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(end, BaseException):
                raise end


class Per(Generic[T_co]):
    """One object for each engine."""

    def __init__(self, engines: Engines, make: Callable[[Engine], T_co]) -> None:
        self._engines = engines
        self._made = {engine: make(engine) for engine in engines.all}

    def of(self, node: str) -> T_co:
        return self._made[self._engines.of(node)]

    def all(self) -> Sequence[T_co]:
        return list(self._made.values())

    def split(self, nodes: Iterable[Node]) -> Sequence[tuple[T_co, list[str]]]:
        """Each object with the names of its nodes, if it has any."""
        names = [node.name for node in nodes]
        by = [(one, [name for name in names if self._engines.of(name) is engine]) for engine, one in self._made.items()]
        return [(one, mine) for one, mine in by if mine]
