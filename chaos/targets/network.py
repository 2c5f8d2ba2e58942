"""Network faults between nodes (cuts, resets, shapes), for every target whose packets pass the kernel's packet filter.

A helper program (chaos.helper) talks to the kernel. It ends when its input is closed, however this process ends, and
removes everything it made, so that network faults heal themselves.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from chaos.errors import CannotLook, TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Cutting, Linked, Shaping
from chaos.protocols.links import Link, Quality, RoundTrips, Traffic
from chaos.targets import roundtrip
from chaos.targets.messages import decoded

DROP = "drop rules in the kernel's packet filter, all in one transaction, by the network helper"
NOT_BRIDGED = (
    "packets between containers do not pass the packet filter (net.bridge.bridge-nf-call-iptables is not 1), "
    "so nothing can be cut; as root: modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1"
)
PATIENCE = 20.0  # seconds that the helper may take for a response
SENT = 5  # packets for a measurement
LOOK_UP = 2.5  # seconds for querying a name server
_UNKNOWN = ""  # requester of a rule that another process made
Addresses = Mapping[str, Mapping[str, str]]  # IPv4, by node and by network; a node that is down may have none
_CHANGED = ("lost", "duplicated", "reordered", "corrupted")  # counters of the helper for a shape


class Line(Protocol):
    """A connection to a running helper. Reading and writing raise OSError, also for a missing response."""

    @property
    def errors(self) -> bytes: ...  # its output on stderr
    def write_line(self, line: bytes) -> None: ...
    def read_line(self, deadline: float) -> bytes: ...  # on time.monotonic(); b"": it has ended
    def close(self) -> object: ...  # ends it; idempotent


class Helper:
    """The helper of this process: started on the first request, and again after it has ended."""

    def __init__(self, start: Callable[[], Line]) -> None:
        self._start = start
        self._line: Line | None = None
        self._one_at_a_time = threading.Lock()

    async def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a request. Raises TargetError with the helper's or the kernel's message."""
        answer = await asyncio.to_thread(self._ask, request)
        if not answer.get("ok"):
            why = f"could not {request['do']}: {answer.get('error')}"
            raise TargetError(f"the network helper {why}; `chaos doctor` says what is missing")
        return answer

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._one_at_a_time:
            if self._line is None:
                self._line = self._start()
            try:
                self._line.write_line(json.dumps(request).encode())
                line = self._line.read_line(time.monotonic() + PATIENCE)
            except OSError:  # a broken pipe, or no response in time
                line = b""
            if not line:
                words = self._line.errors.decode(errors="replace")[-500:].strip() or "without a word"
                self._line.close()
                self._line = None  # the next call starts a new one
                raise TargetError(f"the network helper ended: {words}")
            return decoded(line, "the network helper")

    async def close(self) -> None:
        """End the helper, and everything it made."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._one_at_a_time:
            if self._line:
                self._line.close()
                self._line = None


@dataclass(frozen=True)
class _Entry:
    by: str
    link: Link
    quality: Quality | None  # None: all packets are dropped

    @property
    def kind(self) -> str:
        if self.quality is None:
            return "drop"
        return "reset" if self.quality.reset else "queue"


@dataclass(frozen=True)
class _Sides:
    """A link in the kernel: IPv4 addresses."""

    a: frozenset[str]
    b: frozenset[str] | None
    both: bool

    @classmethod
    def read(cls, rule: Mapping[str, Any]) -> _Sides:
        return cls(frozenset(rule["a"]), None if rule["b"] is None else frozenset(rule["b"]), bool(rule["both"]))

    def message(self) -> dict[str, Any]:
        return {"a": sorted(self.a), "b": None if self.b is None else sorted(self.b), "both": self.both}


class Network:
    """Cuts and shapes of one stack. Every method raises TargetError.

    `find` finds the nodes' addresses when they are first needed; `move` changes them. `bridged`: the nodes are
    connected by a bridge, whose packets the filter sees only if the kernel is configured for it.
    """

    def __init__(self, helper: Helper, find: Callable[[], Awaitable[Addresses]], bridged: bool) -> None:
        self.helper, self._find, self._bridged = helper, find, bridged
        self._found: Addresses | None = None
        self._kept: list[_Entry] = []
        self._made: dict[_Sides, Link] = {}  # the links of our rules in the kernel, by their addresses there
        self._changing = asyncio.Lock()  # the rules are read, then replaced: concurrent changes would lose one
        self._next_look: asyncio.Task[Mapping[str, Any]] | None = None
        self._lost: TargetError | None = None

    def lose(self, error: TargetError) -> None:
        """From now on, rules may miss packets: every look at them raises `error`, until they are cleared."""
        self._lost = error

    async def move(self, addresses: Addresses) -> None:
        """Use these addresses from now on. Rules follow their nodes; without a change, nothing is touched."""
        async with self._changing:
            if addresses == self._found:
                return
            kept = await self._standing() if self._kept else []
            before, self._found = self._found, addresses
            try:
                if kept:
                    await self._apply(kept)
            except TargetError:
                self._found = before
                raise

    async def find(self) -> None:
        """Find the nodes' addresses, unless they are known."""
        if self._found is None:
            self._found = await self._find()

    @property
    def _addresses(self) -> Addresses:
        assert self._found is not None, "find() comes first"
        return self._found

    async def cut(self, by: str, links: Sequence[Link]) -> None:
        await self._add([_Entry(by, link, None) for link in links])

    async def join(self, by: str, links: Sequence[Link]) -> None:
        await self._end(by, links, cut=True)

    async def shape(self, by: str, links: Sequence[Link], quality: Quality) -> None:
        await self._add([_Entry(by, link, quality) for link in links])

    async def unshape(self, by: str, links: Sequence[Link]) -> None:
        await self._end(by, links, cut=False)

    async def is_cut(self, link: Link) -> bool:
        force = await self._in_force()
        kept = [e.link for e in self._kept if e.kind == "drop" and self._sides(e.link) is None]
        cut = [*kept, *(found for found, kind, _ in force if kind == "drop")]
        return any(found.a == link.a and found.b == link.b and (found.both or not link.both) for found in cut)

    async def traffic(self, by: str, link: Link) -> Traffic | None:
        mine = next((e for e in self._kept if (e.by, e.link) == (by, link)), None)
        answer = await self._look()
        there = {kind: packets for found, kind, packets in self._rules(answer) if found == link}
        if mine and self._sides(link) is None:
            return Traffic(0)  # no node on one of its sides has an address, so there is nothing to meet
        if mine is None:  # another process made it; our helper does not know the packets it holds
            return next((Traffic(n) for kind, n in there.items() if kind != "queue"), None)
        if mine.kind not in there:
            return None
        if mine.kind != "queue":
            return Traffic(there[mine.kind])
        queued = [e for e in self._kept if e.kind == "queue" and self._sides(e.link)]
        place = queued.index(mine)  # the helper keeps our order
        if place >= len(answer["shapes"]):
            return None  # the helper that held packets has died, and they pass
        counts = answer["shapes"][place]
        packets = int(counts["packets"])
        if "http" in counts:
            hit, requests = int(counts["hit"]), int(counts["requests"])
            return Traffic(packets, hit, round(float(counts["held_ms"]) / hit, 3) if hit else 0.0, requests)
        held = float(counts["delayed_ms"]) / packets if packets else 0.0
        return Traffic(packets, sum(int(counts[name]) for name in _CHANGED), round(held, 3))

    async def residue(self) -> Sequence[str]:
        await self.find()
        answer = await self.helper.ask({"do": "listing"})
        said = [_in_words(link, kind) for link, kind, _ in self._rules(answer)]
        return said or (["the kernel's table of cuts is there, with nothing in it"] if answer["standing"] else [])

    async def clear(self) -> None:
        """Remove everything, whichever process made it."""
        await self.helper.ask({"do": "clear"})
        self._kept, self._made, self._lost = [], {}, None

    async def close(self) -> None:
        await self.helper.close()
        self._kept, self._made, self._lost = [], {}, None

    async def _add(self, entries: Sequence[_Entry]) -> None:
        async with self._changing:
            kept = await self._standing()
            await self._apply([*kept, *(e for e in entries if e not in kept)])

    async def _end(self, by: str, links: Sequence[Link], cut: bool) -> None:
        ended = {(who, link) for link in links for who in (by, _UNKNOWN)}
        async with self._changing:
            kept = await self._standing()
            await self._apply([e for e in kept if (e.by, e.link) not in ended or (e.kind == "drop") is not cut])

    async def _standing(self) -> list[_Entry]:
        """The rules in the kernel. What another process has healed is not made again, and what it has cut stays."""
        force = {(link, kind) for link, kind, _ in await self._in_force()}
        ours = [e for e in self._kept if (e.link, e.kind) in force or self._sides(e.link) is None]
        known = {(e.link, e.kind) for e in ours}
        strange = sorted(force - known, key=lambda x: (sorted(x[0].a), x[1]))
        return [
            *ours,
            *(_Entry(_UNKNOWN, link, None) for link, kind in strange if kind == "drop"),
            *(_Entry(_UNKNOWN, link, Quality(reset=True)) for link, kind in strange if kind == "reset"),
        ]

    async def _apply(self, kept: list[_Entry]) -> None:
        await self.find()
        sides = [(n, e, there) for n, e in enumerate(kept) if (there := self._sides(e.link))]
        rules = {(e.link, e.kind): {**there.message(), "do": e.kind} for _, e, there in sides if e.kind != "queue"}
        shapes = [{**there.message(), **_shape(e, n)} for n, e, there in sides if e.kind == "queue"]
        if kept and self._bridged and not (await self.helper.ask({"do": "ping"}))["bridged"]:
            raise TargetError(NOT_BRIDGED)
        await self.helper.ask({"do": "apply", "rules": list(rules.values()), "shapes": shapes})
        self._kept, self._made = kept, {there: e.link for _, e, there in sides}

    async def _in_force(self) -> list[tuple[Link, str, int]]:
        return self._rules(await self._look())

    async def _look(self) -> Mapping[str, Any]:
        """The current rules. Concurrent calls share one request: thirty nodes, one check."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._looked())
        return await asyncio.shield(self._next_look)

    async def _looked(self) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        self._next_look = None
        if self._lost:
            raise self._lost
        await self.find()
        return await self.helper.ask({"do": "listing"})

    def ends(self, link: Link, nodes: Sequence[Node]) -> Sequence[tuple[Sequence[str], str]]:
        """The endpoints for measuring the link, for each network it crosses: nodes of its other side, and the address
        of one node on this side.

        If the other side is everything else and all nodes are on this side, there are no other nodes: the host measures
        then.
        """
        named = {n.name for n in nodes if self._addresses.get(n.name)}
        others = sorted(named & link.b if link.b is not None else named - link.a)
        found: dict[str, tuple[Sequence[str], str]] = {}
        for asked in sorted(named & link.a):
            for network, address in self._addresses[asked].items():
                askers = [name for name in others if network in self._addresses[name]]
                if askers or (link.b is None and not others):
                    found.setdefault(network, (askers, address))
        if not found:
            raise TargetError("no node on one side of the link shares a network with the other, so nothing is timed")
        return list(found.values())

    def _rules(self, answer: Mapping[str, Any]) -> list[tuple[Link, str, int]]:
        """(link, drop | reset | queue, packets) of every rule in the kernel, whichever process made it."""
        names = {a: name for name, networks in self._addresses.items() for a in networks.values()}

        def of(addresses: frozenset[str]) -> frozenset[str]:
            return frozenset(names.get(address, address) for address in addresses)

        def link(sides: _Sides) -> Link:
            named = Link(of(sides.a), None if sides.b is None else of(sides.b), sides.both)
            return self._made.get(sides, named)  # of ours, nodes without an address belong to it, too

        return [(link(_Sides.read(rule)), rule["do"], int(rule["packets"])) for rule in answer["rules"]]

    def _sides(self, link: Link) -> _Sides | None:
        """The link's addresses; None if one of its sides has none."""

        def of(names: frozenset[str]) -> frozenset[str]:
            return frozenset(a for name in names for a in self._addresses.get(name, _address(name)).values())

        found = _Sides(of(link.a), None if link.b is None else of(link.b), link.both)
        return found if found.a and found.b != frozenset() else None


def _address(name: str) -> Mapping[str, str]:
    """Nodes of another posture are known by their addresses only."""
    try:
        return {"": str(ip_address(name))}
    except ValueError:
        return {}


Ask = Callable[[Sequence[str], str, Sequence[str]], Awaitable[str]]
Check = Callable[[Sequence[Link]], Awaitable[None]]
Unfit = Callable[[Node], str | None]


async def _as_declared(links: Sequence[Link]) -> None:
    """For a network that only the harness configures: nothing to check."""


async def _always() -> bool:
    return True


def _fit(node: Node) -> str | None:
    return None


@dataclass(frozen=True)
class Links:
    """Base of the network capabilities.

    `ask` runs a program of the harness (a path; standard library only) in the network of the first of these nodes that
    is running, or without nodes in their host's, and returns its output. It raises TargetError if none is running, or
    if it fails. `check` raises TargetError if packets of these links would be missed. `possible` says whether there
    can be any rules at all.
    """

    network: Network
    nodes: Callable[[], Sequence[Node]]
    ask: Ask
    check: Check = _as_declared
    unfit: Unfit = _fit
    possible: Callable[[], Awaitable[bool]] = _always


class _Row(Linked):
    def __init__(self, links: Links) -> None:
        self._links, self._network = links, links.network

    def unfit(self, node: Node) -> str | None:
        return self._links.unfit(node)

    async def traffic(self, by: str, link: Link) -> Traffic | None:
        return await self._network.traffic(by, link)

    async def round_trips(self, link: Link) -> RoundTrips:
        """Over every network that the link crosses."""
        await self._network.find()
        ends = self._network.ends(link, self._links.nodes())
        words = (str(SENT), str(RoundTrips.WAITED))
        asked = [self._links.ask(askers, roundtrip.__file__, [address, *words]) for askers, address in ends]
        said = " ".join(await asyncio.gather(*asked))
        return RoundTrips(SENT * len(ends), sorted(map(float, said.split())))


class Cut(_Row, Cutting):
    """Heals and reports everything in the network, whichever process made it: the helper removes it all at once."""

    backend = DROP

    async def cut(self, by: str, links: Sequence[Link]) -> None:
        await self._links.check(links)
        await self._network.cut(by, links)

    async def join(self, by: str, links: Sequence[Link]) -> None:
        await self._network.join(by, links)

    async def is_cut(self, link: Link) -> bool:
        return await self._network.is_cut(link)

    async def heal(self) -> None:
        if await self._links.possible():
            await self._network.clear()

    async def residue(self) -> Sequence[str]:
        return await self._network.residue() if await self._links.possible() else ()


class Shape(_Row, Shaping):
    backend = "packets of a kernel queue (NFQUEUE, bypass), held in the network helper"

    async def shape(self, by: str, links: Sequence[Link], quality: Quality) -> None:
        await self._links.check(links)
        await self._network.shape(by, links, quality)

    async def unshape(self, by: str, links: Sequence[Link]) -> None:
        await self._network.unshape(by, links)


class Reset(Shape):
    backend = "reject rules (TCP reset) in the kernel's packet filter, by the network helper"


def answered(node: str, code: int, said: str) -> bool:
    """The result of lookup.py in a node's network. Raises CannotLook for any other output."""
    words = said.strip()
    if code or words not in ("answered", "silent"):
        raise CannotLook(f"{node}: its name resolution could not be checked: {words[-300:] or f'exit code {code}'}")
    return words == "answered"


def _shape(entry: _Entry, number: int) -> dict[str, Any]:
    assert entry.quality is not None
    asked = {k: v for k, v in asdict(entry.quality).items() if v and k != "reset"}
    return {**asked, "seed": number}


def _in_words(link: Link, kind: str) -> str:
    one = "is" if len(link.a) == 1 else "are"
    said = {"drop": "cut off from", "reset": "reset towards", "queue": "slowed or worse towards"}[kind]
    return f"{', '.join(sorted(link.a))} {one} {said} {'all others' if link.b is None else ', '.join(sorted(link.b))}"
