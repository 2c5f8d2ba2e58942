"""The state of a run for display, computed from the lines of its journal and of its operations."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chaos.experiment.plan import Plan
from chaos.judge.measures.nodes import STARTING, Nodes
from chaos.model import Event, Op
from chaos.observe.live.words import bad, words

MEMORY = 240  # seconds of operations to keep: more than the widest terminal shows
LATE = 5  # seconds that count as recent
SAID = 200  # lines to keep


@dataclass
class Second:
    """Operations that ended in one second."""

    n: int = 0
    ok: int = 0
    waits: list[float] = field(default_factory=list)  # seconds, of answered operations


@dataclass
class Journey:
    n: int = 0
    seconds: dict[int, Second] = field(default_factory=dict)

    def tell(self, op: Op) -> None:
        now = math.floor(op.end)
        second = self.seconds.setdefault(now, Second())
        second.n += 1
        self.n += 1
        if op.ok:
            second.ok += 1
            second.waits.append(op.latency)
        while len(self.seconds) > MEMORY:
            del self.seconds[next(iter(self.seconds))]

    def last(self, now: float, count: int) -> list[Second]:
        """The last `count` whole seconds before `now`, the oldest first; n is 0 for one without operations."""
        end = math.floor(now)
        return [self.seconds.get(s, NOTHING) for s in range(end - count, end)]

    def late(self, now: float) -> Second:
        """The last few seconds, including the current one, combined."""
        end = math.floor(now) + 1
        found = [self.seconds[s] for s in range(end - LATE - 1, end) if s in self.seconds]
        waits = [w for s in found for w in s.waits]
        return Second(sum(s.n for s in found), sum(s.ok for s in found), waits)


NOTHING = Second()


@dataclass(frozen=True)
class Said:
    t: float | None  # on the timeline; None before it starts
    text: str
    bad: bool = False


@dataclass(frozen=True)
class Biting:
    step: str
    fault: str
    nodes: tuple[str, ...]


class Live:
    """`tell` has to receive every event and operation in order. It reads neither clocks nor files."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._asked = {p.name for p in plan.probes if p.within is not None}
        self.note = ""  # what the target is busy with
        self._begin_events()
        self.begin_ops()

    def _begin_events(self) -> None:
        self.phase = "plan"
        self.on_timeline = False  # the journal's times count from t = 0 of the plan
        self.standing = False  # the stack is up
        self.status = ""  # how it ended
        self.nodes = Nodes(n["name"] for n in self.plan.nodes)
        self.acted: dict[str, float] = {}  # act → when it was done
        self.said: deque[Said] = deque(maxlen=SAID)
        self._biting: dict[str, Biting] = {}
        self.probes: dict[str, Journey] = {}

    def begin_events(self) -> None:
        """The journal is read again from its beginning: it was rewritten with times on the timeline."""
        self._begin_events()

    def begin_ops(self) -> None:
        """The load was restarted: earlier operations are discarded."""
        self.journeys: dict[str, Journey] = {}

    def tell(self, event: Event) -> None:
        self.nodes.tell(event)
        subject, data = event.subject, event.data
        if event.kind == "phase":
            self.phase, self.note = subject, ""
        elif event.kind == "load.start":
            self.on_timeline = True
        elif event.kind == "stack.up":
            self.standing = True
        elif event.kind == "run.end":
            self.status = str(data.get("status", "ended"))
        elif event.kind == "operator.done":
            self.acted[subject] = event.t
        elif event.kind == "fault.active":
            self._biting[subject] = Biting(subject, str(data.get("fault", "")), tuple(data.get("nodes", ())))
        elif event.kind == "fault.heal" and (b := self._biting.get(subject)):
            left = tuple(n for n in b.nodes if n not in data.get("nodes", ()))
            self._biting[subject] = Biting(b.step, b.fault, left)
        elif event.kind == "probe.sample" and subject in self._asked:
            self.probes.setdefault(subject, Journey()).tell(_reply(event))
        if text := words(event):
            self.said.append(Said(event.t if self.on_timeline else None, text, bad(event)))

    def op(self, op: Op) -> None:
        if op.op != "readback":
            self.journeys.setdefault(op.journey, Journey()).tell(op)

    def say(self, text: str) -> None:
        """Show a text that is not in the journal: a note of the target, or the response to a Ctrl-C."""
        self.said.append(Said(None, text))

    @property
    def biting(self) -> Sequence[Biting]:
        return [b for b in self._biting.values() if b.nodes]

    @property
    def ended(self) -> bool:
        return bool(self.status)

    def most_used(self) -> list[tuple[str, Journey]]:
        """The journeys by number of operations, the most used first. Their order changes only in the first seconds."""
        return sorted(self.journeys.items(), key=lambda x: (-_magnitude(x[1].n), x[0]))

    def late(self, now: float) -> Second:
        """All journeys together, in the last few seconds."""
        each = [j.late(now) for j in self.journeys.values()]
        return Second(sum(s.n for s in each), sum(s.ok for s in each), [w for s in each for w in s.waits])

    def zones(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """(zone, its nodes with their states), sorted. Before the stack is up, every node is starting."""
        zones: dict[str, list[str]] = {}
        for node in self.plan.nodes:
            zones.setdefault(node.get("zone") or "-", []).append(node["name"])
        for zone, names in sorted(zones.items()):
            yield zone, [(n, self.nodes.state(n) if self.standing else STARTING) for n in sorted(names)]


def _reply(event: Event) -> Op:
    """An answer to a probe, as an operation for display."""
    end, ok = event.t + float(event.data.get("ms") or 0.0) / 1000, bool(event.data.get("ok"))
    return Op(event.t, event.t, end, event.subject, "probe", "", "", "", "ok" if ok else "fail")


def _magnitude(n: int) -> int:
    """The order of magnitude. Journeys with similar counts keep their order, so that lines do not jump."""
    return n.bit_length() if n < 256 else 8 + n // 256
