"""The effect of shapes on a packet: when it is sent on, how often, and whether corrupted. Pure functions of time.

If several shapes apply to one packet, delays add up, each loses packets independently, every rate is kept (the lowest
one wins), and each adds its copies. HTTP requests are handled in routes.py. Imports nothing of chaos.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Required, TypedDict

from .routes import Fate, Route, Talks, Watch

BUFFER = 1.0  # seconds of data that may wait because of a rate; further packets are dropped

Copy = tuple[float, bool]  # when it is due (seconds on the caller's clock), and whether it is corrupted


class Shape(TypedDict, total=False):
    """What happens to IPv4 packets from `a` to `b`, and back if `both` (the default). `b` None: everything outside `a`.

    `loss`, `duplicate`, `reorder`, `corrupt` are shares, 0 to 1. `jitter_ms` is the maximum deviation of a delay from
    `delay_ms`, uniformly distributed; delays are never below 0. `rate_kbit` is for each direction, shared by the whole
    group, and counts IP packets with headers; copies are free. The share `reorder` of the packets skips all waits of
    this shape, and so overtakes others. `http`: for requests to `a`, with `both` only.
    """

    a: Required[list[str]]
    b: list[str] | None
    both: bool
    delay_ms: float
    jitter_ms: float
    loss: float
    duplicate: float
    reorder: float
    corrupt: float
    rate_kbit: float
    http: Route
    seed: int


_AMOUNTS = ("delay_ms", "jitter_ms", "rate_kbit")
_SHARES = ("loss", "duplicate", "reorder", "corrupt")


@dataclass(slots=True)
class Counts:
    """What one shape did. `full`: dropped because BUFFER was full. `delayed_ms`: sum over the packets that were sent
    on.

    A packet that was lost by any of its shapes counts only as lost, by the shapes that lost it. `delayed_ms` excludes
    the delay of a packet's other shapes, so that the latency between zones is not attributed to a rate.
    """

    packets: int = 0
    lost: int = 0
    full: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    delayed_ms: float = 0.0


@dataclass(slots=True)
class _Lot:
    lost: bool
    delay: float  # seconds
    early: bool
    copies: int
    corrupt: list[bool]  # of the packet, then of the copy


class _Standing:
    """One shape in force, with its random numbers, its lines and its counts."""

    def __init__(self, asked: Shape) -> None:
        check(asked)
        self.asked = asked
        self.counts = Counts()
        self._a = frozenset(asked["a"])
        b = asked.get("b")
        self._b = None if b is None else frozenset(b)
        self._both = asked.get("both", True)
        self._delay = asked.get("delay_ms", 0) / 1000
        self._jitter = asked.get("jitter_ms", 0) / 1000
        self._loss, self._duplicate = asked.get("loss", 0), asked.get("duplicate", 0)
        self._reorder, self._corrupt = asked.get("reorder", 0), asked.get("corrupt", 0)
        self.rate = asked.get("rate_kbit", 0) * 1000 / 8  # bytes a second
        self.free = [0.0, 0.0]  # when the line is free again, forward and back
        self._lots: dict[tuple[str, str], random.Random] = {}
        self.watch = Watch(asked["http"], asked.get("seed", 0)) if "http" in asked else None

    def direction(self, src: str, dst: str) -> int | None:
        """0: forward, 1: back, None: not affected."""
        if self._leads(src, dst):
            return 0
        return 1 if self._both and self._leads(dst, src) else None

    def _leads(self, here: str, there: str) -> bool:
        return here in self._a and (there in self._b if self._b is not None else there not in self._a)

    def draw(self, pair: tuple[str, str]) -> _Lot:
        """Draw the same number of random numbers for each packet of a pair, independent of other shapes and of time."""
        if pair not in self._lots:
            self._lots[pair] = random.Random(f"{self.asked.get('seed', 0)} {pair[0]} {pair[1]}")
        lots = self._lots[pair]

        def happens(share: float) -> bool:
            return share > 0 and lots.random() < share

        lost, early, copied = happens(self._loss), happens(self._reorder), happens(self._duplicate)
        damaged = [happens(self._corrupt), happens(self._corrupt)]
        swing = self._jitter * (2 * lots.random() - 1) if self._jitter else 0.0
        return _Lot(lost, 0.0 if early else max(0.0, self._delay + swing), early, int(copied), damaged)


@dataclass(slots=True)
class _Flow:
    """Packets from one address to another: the shapes that apply, and when the last packet in order is due."""

    pair: tuple[str, str]
    met: list[tuple[_Standing, int]]
    watches: list[Watch]  # for its requests
    last: float = field(default=0.0)


class Shapes:
    """Several shapes at once. Shapes that are also in `before` keep their counts, random numbers, lines and order.

    The nth packet from one address to another is treated in the same way in every run with the same shapes, except for
    rates, which depend on time. Raises ValueError for an invalid shape.

    Packets from one address to another keep their order, also with jitter (unlike netem), so a short delay after a long
    one is extended: only `reorder` lets packets overtake.
    """

    def __init__(self, asked: Sequence[Shape], before: Shapes | None = None) -> None:
        old = list(before._standing) if before else []
        self._standing: list[_Standing] = []
        for shape in asked:
            same = next((s for s in old if s.asked == shape), None)
            if same:
                old.remove(same)
            self._standing.append(same or _Standing(shape))
        self._flows: dict[tuple[str, str], _Flow] = {}
        for pair, flow in (before._flows if before else {}).items():
            if self._met(*pair) == flow.met:
                self._flows[pair] = flow
        kept = before is not None and self._watches() == before._watches()
        self._talks: Talks = before._talks if before and kept else Talks()

    def decide(self, src: str, dst: str, length: int, now: float) -> list[Copy]:
        """What is sent on of a packet of `length` bytes: itself first, then its copies; empty if it is lost."""
        flow = self._flow(src, dst)
        lots = [standing.draw(flow.pair) for standing, _ in flow.met]
        for (standing, _), lot in zip(flow.met, lots, strict=True):
            standing.counts.packets += 1
            standing.counts.lost += lot.lost
        if any(lot.lost for lot in lots) or _full(flow, now):
            return []
        due = self._due(flow, lots, length, now)
        copies = [(due, any(lot.corrupt[0] for lot in lots))]
        for lot in lots:
            copies += [(due, any(each.corrupt[1] for each in lots))] * lot.copies
        _tally(flow, lots, due - now, now)
        return copies

    def meet(self, src: str, dst: str, packet: bytes, length: int, now: float, due: float) -> Fate:
        """The treatment of a packet due at `due` by the routes for the request in it; `packet` is its start."""
        watches = self._flow(src, dst).watches
        return self._talks.meet(watches, packet, length, now, due) if watches else Fate(due)

    def continues(self, src: str, dst: str, before: Shapes) -> bool:
        """Whether packets of this pair meet the same shapes as in `before`, so that they keep their place."""
        return self._met(src, dst) == before._met(src, dst)

    def listing(self) -> list[dict[str, Any]]:
        """Every shape as it was given, with its counts."""
        return [{**s.asked, **asdict(s.counts), **(s.watch.counts() if s.watch else {})} for s in self._standing]

    def needs_whole_packets(self) -> bool:
        return any(s.asked.get("duplicate") or s.asked.get("corrupt") for s in self._standing)

    def reads_requests(self) -> bool:
        return bool(self._watches())

    def answers(self) -> bool:
        return any(not watch.ms for watch in self._watches())

    def copies(self) -> bool:
        return any(s.asked.get("duplicate") for s in self._standing)

    def _flow(self, src: str, dst: str) -> _Flow:
        if (src, dst) not in self._flows:
            met = self._met(src, dst)
            self._flows[src, dst] = _Flow((src, dst), met, [s.watch for s, way in met if s.watch and way])
        return self._flows[src, dst]

    def _watches(self) -> list[Watch]:
        return [s.watch for s in self._standing if s.watch]

    def _met(self, src: str, dst: str) -> list[tuple[_Standing, int]]:
        return [(s, way) for s in self._standing if (way := s.direction(src, dst)) is not None]

    def _due(self, flow: _Flow, lots: Sequence[_Lot], length: int, now: float) -> float:
        """When a packet is due: after all lines and delays, and after its predecessors. Reordered ones skip their
        shape's waits.
        """
        through = now
        for (standing, way), lot in zip(flow.met, lots, strict=True):
            if standing.rate:
                standing.free[way] = max(now, standing.free[way]) + length / standing.rate
                if not lot.early:
                    through = max(through, standing.free[way])
        due = through + sum(lot.delay for lot in lots)
        if any(lot.early for lot in lots):
            return due
        flow.last = max(flow.last, due)
        return flow.last


def check(shape: Shape) -> None:
    """Raises ValueError with a message for an invalid shape."""
    if unknown := set(shape) - Shape.__annotations__.keys():
        known = ", ".join(Shape.__annotations__)
        raise ValueError(f"a shape has no {', '.join(sorted(unknown))}; it has {known}")
    a, b = shape.get("a"), shape.get("b")
    if not (isinstance(a, list) and a and (b is None or (isinstance(b, list) and b))):
        raise ValueError("a shape needs addresses on both sides: `a` is a list of addresses, `b` one or null")
    for name in _AMOUNTS:
        if not 0 <= _number(shape, name) < float("inf"):
            raise ValueError(f"{name} is a number from 0; found {shape.get(name)!r}")
    for name in _SHARES:
        if not 0 <= _number(shape, name) <= 1:
            raise ValueError(f"{name} is a share from 0 to 1; found {shape.get(name)!r}")
    if shape.get("reorder") and not (shape.get("delay_ms") or shape.get("rate_kbit")):
        raise ValueError("reorder without delay_ms or rate_kbit overtakes nothing; give one of them")
    if "http" in shape and not shape.get("both", True):
        raise ValueError("http needs both directions, because requests come from the other side")


def _number(shape: Shape, name: str) -> float:
    value = shape.get(name, 0)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")


def _full(flow: _Flow, now: float) -> bool:
    """Whether a line of the flow is full."""
    full = [s for s, way in flow.met if s.rate and s.free[way] - now >= BUFFER]
    for standing in full:
        standing.counts.full += 1
    return bool(full)


def _tally(flow: _Flow, lots: Sequence[_Lot], held: float, now: float) -> None:
    copies = sum(lot.copies for lot in lots)
    wanted = [_wanted(*each, lot, now) for each, lot in zip(flow.met, lots, strict=True)]
    for (standing, _), lot, own in zip(flow.met, lots, wanted, strict=True):
        counts = standing.counts
        counts.duplicated += lot.copies
        counts.reordered += lot.early
        counts.corrupted += lot.corrupt[0] + lot.corrupt[1] * copies
        counts.delayed_ms += 1000 * max(0.0, held - (sum(wanted) - own))


def _wanted(standing: _Standing, way: int, lot: _Lot, now: float) -> float:
    """Seconds that one shape alone would hold a packet."""
    line = standing.free[way] - now if standing.rate and not lot.early else 0.0
    return line + lot.delay
