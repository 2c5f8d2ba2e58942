"""Two databases, their supervisors and their voters on a network that loses, delays and cuts: all on virtual time."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from services.ha.database import Post, ServerFailed, Survey
from services.ha.election import Election
from services.ha.leader_lease import ASK_S, Answer, Claim, Record, Seat
from services.ha.supervise import Supervisor

_LIFE: contextvars.ContextVar[str] = contextvars.ContextVar("life", default="")


@dataclass
class Paper:
    """`database.Memory` that outlives a crash because the world keeps it."""

    text: str = ""

    def read(self) -> str:
        return self.text

    def write(self, role: str) -> None:
        self.text = role


class Book:
    """A database: a list of writes. It replicates one by one, and can wait for its standby like a synchronous one."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.writes: list[int] | None = None
        self.writable = self.running = False
        self.following: str | None = None
        self.waits_for: str | None = None
        self.confirmed = 0  # how many of our writes the standby has, as far as we have heard
        self.flowing = False
        self._world = world
        self._barred = False

    def exists(self) -> bool:
        return self.writes is not None

    async def create(self) -> None:
        await self._world.pause(0.2)
        self.writes = []

    async def join(self, peer: str) -> None:
        source = self._world.books[peer]
        self.kill()
        self._barred = False
        self.writes = None
        await self._world.pause(0.4)
        if not (self._world.open(self.name, peer) and source.writable and source.writes is not None):
            raise ServerFailed("the source went away")
        self.writes = list(source.writes)

    async def start_primary(self, standby: str | None) -> None:
        await self._start()
        self._open_up(standby)

    async def start_standby(self, peer: str) -> None:
        self.following = peer
        await self._start()

    async def _start(self) -> None:
        self.writable = self.running = self.flowing = False
        await self._world.pause(0.3)
        if self._barred:
            raise ServerFailed("ended while it started")
        self.running = True

    async def promote(self) -> None:
        await self._world.pause(0.2)
        if self._barred or not self.running:
            raise ServerFailed("ended while it was promoted")
        self._open_up(None)

    def _open_up(self, standby: str | None) -> None:
        self.following, self.waits_for, self.confirmed = None, standby, 0
        self.writable = True
        assert sum(book.writable for book in self._world.books.values()) == 1, "two primaries"

    async def require(self, standby: str | None) -> None:
        self.waits_for = standby
        if standby is None:
            return
        assert self.writes is not None
        target = len(self.writes)
        while True:
            await asyncio.sleep(0.05)
            if self.confirmed >= target and self.flowing:
                return

    async def survey(self) -> Survey | None:
        await self._world.pause(0.01)
        return Survey(self.writable, self.flowing) if self.running else None

    async def stop(self) -> None:
        self.kill()

    def kill(self) -> None:
        self.writable = self.running = self.flowing = False
        self._barred = True

    def permit(self) -> None:
        self._barred = False

    async def write(self, number: int) -> bool:
        """Whether the write was acknowledged."""
        if not self.writable:
            return False
        assert self.writes is not None
        self.writes.append(number)
        place, run = len(self.writes), self.writes
        while self.writable and self.writes is run:
            if self.waits_for is None or self.confirmed >= place:
                return True
            await asyncio.sleep(0.01)
        return False


@dataclass
class Network:
    """The network between one node and everybody else: `election.Voters` and `database.Peer`."""

    node: str
    peer: str
    world: World

    async def ask(self, voter: str, act: str, body: Claim | Record) -> Answer | None:
        def at_voter() -> Answer | None:
            seat = self.world.seats.get(voter)
            if seat is None:
                return None
            given: Answer = getattr(seat, act)(body, self.world.clock(voter)())
            self.world.disk[voter] = seat.record
            return given

        answer: Answer | None = await self.world.call(self.node, voter, at_voter)
        return answer

    async def role(self) -> str | None:
        def at_peer() -> str | None:
            other = self.world.supervisors.get(self.peer)
            return other.role if other else None

        role: str | None = await self.world.call(self.node, self.peer, at_peer)
        return role

    async def pledge(self) -> bool:
        def at_peer() -> bool:
            other = self.world.supervisors.get(self.peer)
            return other is not None and other.pledge.give(self.world.clock(self.peer)())

        return bool(await self.world.call(self.node, self.peer, at_peer))


@dataclass
class World:
    """`loss` is the share of messages that get lost, `blocked` the directed pairs between which none get through."""

    seed: int
    sync: bool = True
    voters: tuple[str, ...] = ("v1", "v2", "v3")
    loss: float = 0.0
    blocked: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.seats: dict[str, Seat] = {}
        self.disk: dict[str, Record] = {}
        self.books = {name: Book(name, self) for name in ("a", "b")}
        self.papers = {name: Paper() for name in self.books}
        self.supervisors: dict[str, Supervisor] = {}
        self.acknowledged: list[int] = []
        self.bugs: list[BaseException] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lives: defaultdict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self._speed = {name: 1 + self.random.uniform(-0.009, 0.009) for name in (*self.books, *self.voters)}
        self._numbers = iter(range(1_000_000_000))

    def clock(self, name: str) -> Callable[[], float]:
        loop, speed = asyncio.get_running_loop(), self._speed[name]
        return lambda: loop.time() * speed

    def open(self, one: str, other: str) -> bool:
        return (one, other) not in self.blocked and (other, one) not in self.blocked

    async def pause(self, most: float) -> None:
        await asyncio.sleep(self.random.uniform(most / 10, most))

    async def call(self, sender: str, receiver: str, act: Callable[[], Any]) -> Any:
        """A message and its answer. A late one is still acted on: the sender has just stopped to listen."""
        delivered = self.spawn(self._deliver(sender, receiver, act))
        done, _ = await asyncio.wait({delivered}, timeout=ASK_S)
        return delivered.result() if done else None

    async def _deliver(self, sender: str, receiver: str, act: Callable[[], Any]) -> Any:
        if not await self._travel(sender, receiver):
            await asyncio.sleep(1.0)
            return None
        answer = act()
        if not await self._travel(receiver, sender):
            await asyncio.sleep(1.0)
            return None
        return answer

    async def _travel(self, sender: str, receiver: str) -> bool:
        late = self.random.random() < self.loss / 2
        await asyncio.sleep(self.random.uniform(0.0, 1.5) if late else self.random.uniform(0.0, 0.01))
        return (sender, receiver) not in self.blocked and self.random.random() >= self.loss

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self._live(work, "")

    def _live(self, work: Coroutine[Any, Any, Any], life: str) -> asyncio.Task[Any]:
        """A task of the world, or one that dies with the node `life` like all that come of it."""
        context = contextvars.Context()
        context.run(_LIFE.set, life)
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.bugs.append(error)

    # what happens to it

    def start(self, name: str) -> None:
        """A node or a voter gets power; nothing when it has it."""
        if name in self.voters:
            if name not in self.seats:
                self.seats[name] = Seat(self.disk.get(name, Record()), self.clock(name)())
        elif name not in self.supervisors:
            peer = "b" if name == "a" else "a"
            network, clock = Network(name, peer, self), self.clock(name)
            election = Election(name, self.voters, network, clock)
            post = Post(name, peer, name == "a", self.sync)
            supervisor = Supervisor(post, self.books[name], self.papers[name], network, election, clock)
            self.supervisors[name] = supervisor
            self._live(supervisor.run(), name)

    def crash(self, name: str) -> None:
        """Power off, in the middle of whatever it does."""
        self.seats.pop(name, None)
        if self.supervisors.pop(name, None):
            for task in self._lives.pop(name, ()):
                task.cancel()
            self.books[name].kill()
            self.books[name].permit()

    def cut(self, group: set[str]) -> None:
        """No message between `group` and the others."""
        everybody = {*self.books, *self.voters}
        self.blocked |= {(x, y) for x in everybody for y in everybody if (x in group) != (y in group)}

    def heal(self) -> None:
        self.blocked.clear()
        self.loss = 0.0
        for name in (*self.books, *self.voters):
            self.start(name)

    async def settled(self, limit_s: float) -> Book:
        """The only primary, once its standby streams and, where that is asked for, its writes wait for it."""
        until = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.1)
            assert not self.bugs, self.bugs
            for book in self.books.values():
                if book.writable and book.flowing and (book.waits_for or not self.sync):
                    return book
        roles = {name: supervisor.role for name, supervisor in self.supervisors.items()}
        raise AssertionError(f"not settled within {limit_s} s: {roles}")

    def begin(self) -> None:
        """Everything on, and users at each node who write all the time."""
        asyncio.get_running_loop().set_task_factory(self._task)
        self.heal()
        self.spawn(self._replicate())
        for book in self.books.values():
            self.spawn(self._use(book))

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **more)
        context = more.get("context")
        life = context[_LIFE] if context is not None else _LIFE.get()
        if life:
            self._lives[life].add(task)
            task.add_done_callback(self._lives[life].discard)
        return task

    async def end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _use(self, book: Book) -> None:
        while True:
            number = next(self._numbers)
            if await book.write(number):
                self.acknowledged.append(number)
            await asyncio.sleep(0.04)

    async def _replicate(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            for book in self.books.values():
                self._stream_to(book)

    def _stream_to(self, book: Book) -> None:
        source = self.books[book.following] if book.following else None
        flows = (
            source is not None
            and book.running
            and source.writable
            and self.open(book.name, source.name)
            and book.writes is not None
            and source.writes is not None
            and book.writes == source.writes[: len(book.writes)]
        )
        if flows:
            assert source is not None and book.writes is not None and source.writes is not None
            book.writes.extend(source.writes[len(book.writes) :])
            source.confirmed = len(book.writes)
            source.flowing = book.flowing = True
        elif not book.writable:
            book.flowing = False
            other = next(peer for peer in self.books.values() if peer is not book)
            other.flowing = False
