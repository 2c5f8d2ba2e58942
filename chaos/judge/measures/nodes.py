"""The state of each node over time, computed event by event, so that the live view and the report agree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from chaos.model import Event
from chaos.record.journal import Journal

UP, HURT, STARTING, DOWN = STATES = ("up", "hurt", "starting", "down")


class Nodes:
    """Node states. `tell` has to receive every event of a journal, in order.

    up: no fault is in force on it. hurt: one is, and the node runs. down: one is, and the node does not run. starting:
    all faults are healed, and its health check has not passed yet.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._active: dict[str, set[str]] = {}  # step → nodes
        self._down: set[str] = set()

    def tell(self, event: Event) -> Collection[str]:
        """Update the states; returns the nodes that may have changed."""
        if event.kind in ("node.down", "node.up"):
            (self._down.add if event.kind == "node.down" else self._down.discard)(event.subject)
            return (event.subject,)
        if event.kind not in ("fault.active", "fault.heal"):
            return ()
        named = tuple(event.data.get("nodes", ()))
        affected = self._active.setdefault(event.subject, set())
        (affected.update if event.kind == "fault.active" else affected.difference_update)(named)
        return named

    def state(self, name: str) -> str:
        affected = any(name in nodes for nodes in self._active.values())
        if name in self._down:
            return DOWN if affected else STARTING
        return HURT if affected else UP


@dataclass(frozen=True)
class Stay:
    """A node's time in one state, [start, end) in seconds on the timeline."""

    start: float
    end: float
    state: str


def away(journal: Journal) -> Mapping[str, tuple[tuple[float, float], ...]]:
    """By node, when it is known to have been down: from the fault that ended it to its first successful health check.

    If it was never seen healthy again, the period ends with the heal: its state after that is unknown.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    begun: dict[str, float] = {}
    blows = {e.subject: e.t for _, e in journal.of("fault.inject")}
    for event in journal.events:
        if event.kind == "node.down":
            begun[event.subject] = min(event.t, blows.get(str(event.data.get("step")), event.t))
        elif event.kind == "node.up" and event.subject in begun:
            found.setdefault(event.subject, []).append((begun.pop(event.subject), event.t))
    for node, start in begun.items():
        heals = [e.t for _, e in journal.of("fault.heal") if e.t >= start and node in e.data.get("nodes", ())]
        end = min(heals, default=max(e.t for e in journal.events))
        found.setdefault(node, []).append((start, end))
    return {node: tuple(spans) for node, spans in found.items()}


def lanes(journal: Journal, begin: float, end: float) -> Mapping[str, tuple[Stay, ...]]:
    """By node of the plan, its consecutive states from `begin` to `end`, without gaps."""
    nodes = Nodes(n["name"] for n in journal.plan.nodes)
    marks: dict[str, list[tuple[float, str]]] = {name: [(begin, UP)] for name in nodes.names}
    for event in journal.events:
        for name in nodes.tell(event):
            state, t = nodes.state(name), min(max(event.t, begin), end)
            if name in marks and state != marks[name][-1][1]:
                marks[name].append((t, state))
    return {name: _stays(found, end) for name, found in marks.items()}


def _stays(marks: list[tuple[float, str]], end: float) -> tuple[Stay, ...]:
    """The stays between the marks, without empty ones, and with equal neighbours merged."""
    ends = [t for t, _ in marks[1:]] + [end]
    found: list[Stay] = []
    for (start, state), until in zip(marks, ends, strict=True):
        if until <= start:
            continue
        if found and found[-1].state == state:
            found[-1] = Stay(found[-1].start, until, state)
        else:
            found.append(Stay(start, until, state))
    return tuple(found)


def up(stays: Mapping[str, tuple[Stay, ...]]) -> list[tuple[float, int]]:
    """(seconds, number of nodes that are up or hurt) at each change, in order."""
    changes: dict[float, int] = {}
    for lane in stays.values():
        for stay in lane:
            if stay.state in (UP, HURT):
                changes[stay.start] = changes.get(stay.start, 0) + 1
                changes[stay.end] = changes.get(stay.end, 0) - 1
    found: list[tuple[float, int]] = []
    n = 0
    for t in sorted(changes):
        n += changes[t]
        if not found or found[-1][1] != n:
            found.append((t, n))
    return found[:-1] if found and found[-1][1] == 0 and len(found) > 1 else found
