"""In what state each node was, and when: told event by event, so that the live view and the report say the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from chaos.journal import Journal
from chaos.model import Event

UP, HURT, STARTING, DOWN = STATES = ("up", "hurt", "starting", "down")


class Nodes:
    """Tell it every event of a journal, in order.

    up: no fault bites it. hurt: one does, and it runs. down: one does, and it does not run. starting: every fault has
    given it back, and its health check has not passed yet.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._biting: dict[str, set[str]] = {}  # step → nodes
        self._down: set[str] = set()

    def tell(self, event: Event) -> Collection[str]:
        """The nodes it may have changed."""
        if event.kind in ("node.down", "node.up"):
            (self._down.add if event.kind == "node.down" else self._down.discard)(event.subject)
            return (event.subject,)
        if event.kind not in ("fault.active", "fault.heal"):
            return ()
        named = tuple(event.data.get("nodes", ()))
        bitten = self._biting.setdefault(event.subject, set())
        (bitten.update if event.kind == "fault.active" else bitten.difference_update)(named)
        return named

    def state(self, name: str) -> str:
        bitten = any(name in nodes for nodes in self._biting.values())
        if name in self._down:
            return DOWN if bitten else STARTING
        return HURT if bitten else UP


@dataclass(frozen=True)
class Stay:
    """A node's time in one state, [start, end) in seconds on the timeline."""

    start: float
    end: float
    state: str


def lanes(journal: Journal, begin: float, end: float) -> Mapping[str, tuple[Stay, ...]]:
    """By node of the plan, its states one after the other without a gap from `begin` to `end`."""
    nodes = Nodes(n["name"] for n in journal.plan.nodes)
    marks: dict[str, list[tuple[float, str]]] = {name: [(begin, UP)] for name in nodes.names}
    for event in journal.events:
        for name in nodes.tell(event):
            state, t = nodes.state(name), min(max(event.t, begin), end)
            if name in marks and state != marks[name][-1][1]:
                marks[name].append((t, state))
    return {name: _stays(found, end) for name, found in marks.items()}


def _stays(marks: list[tuple[float, str]], end: float) -> tuple[Stay, ...]:
    """What lasted no time at all is left out, and what is alike on both sides of it is one."""
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
    """(seconds, nodes that serve: up or hurt) each time it changes, in order."""
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
