"""The read side of a run's files: what happened, in order. Everything after a run is a function of a Journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from chaos.errors import ChaosError
from chaos.experiment.plan import Plan
from chaos.model import UNREADABLE, Event, Op
from chaos.record import arrivals, lines, older
from chaos.record.arrivals import Arrivals
from chaos.record.lines import Damage

Line = int  # 1-based line number; findings refer to "journal:7" and "ops:12"


@dataclass(frozen=True)
class Window:
    """The time [start, end) in which a fault was in force, in seconds on the timeline."""

    start: float
    end: float
    label: str
    nodes: tuple[str, ...] = ()

    def __contains__(self, t: float) -> bool:
        return self.start <= t < self.end


UNMARKED = frozenset({"send", "transfer"})  # operations that were writes before the `write` mark existed


@dataclass(frozen=True)
class Journal:
    plan: Plan
    events: tuple[Event, ...]
    ops: tuple[Op, ...]
    env: Mapping[str, Any] = field(default_factory=dict)
    damage: tuple[Damage, ...] = ()  # lines that could not be read; placeholders keep the line numbers
    arrivals: Arrivals | None = None  # None: there is no recorded schedule

    @classmethod
    def load(cls, run: Path) -> Journal:
        """Read a run's folder: plan.json, env.json, journal.jsonl, ops.jsonl, arrivals.json.

        Parts that cannot be read become `damage`, which the judge takes into account. Raises ChaosError without a plan.
        """
        try:
            plan = older.plan(run / "plan.json").redacted()  # older versions stored secrets in plain text
        except FileNotFoundError:
            raise ChaosError(f"{run}: no plan.json in it, so this is not a run's folder (see runs/)") from None
        damage: list[Damage] = []
        events = lines.read(run / "journal.jsonl", lines.event, lines.unreadable_event, damage)
        ops = lines.read(run / "ops.jsonl", lines.op, lines.unreadable_op, damage)
        env = lines.document(run / "env.json", dict[str, Any], damage) or {}
        due = arrivals.read(run, damage)
        return cls(plan, events, ops, env, tuple(damage), due)

    def of(self, prefix: str) -> Iterator[tuple[Line, Event]]:
        """Events whose kind is `prefix`, or starts with it if it ends with a dot."""
        for n, e in enumerate(self.events, 1):
            if e.kind == prefix or (prefix.endswith(".") and e.kind.startswith(prefix)):
                yield n, e

    def operations(self, journey: str | None = None) -> Iterator[tuple[Line, Op]]:
        """The users' operations, without the read-back."""
        for n, op in enumerate(self.ops, 1):
            if op.op != "readback" and op.result != UNREADABLE and (journey is None or op.journey == journey):
                yield n, op

    @cached_property
    def writes(self) -> tuple[tuple[Line, Op], ...]:
        """Operations that a read-back has to find if they were acknowledged. Older records identify them by name."""
        found = list(self.operations())
        marked = any(op.write for _, op in found)
        return tuple((n, op) for n, op in found if (op.write if marked else op.op in UNMARKED))

    @cached_property
    def journeys(self) -> tuple[str, ...]:
        return tuple(sorted({op.journey for _, op in self.operations()}))

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """One for each fault and release: from fault.active to its fault.heal, or to the end of the journal."""
        last = max([e.t for e in self.events], default=0.0)
        found = []
        for _, e in self.of("fault.active"):
            owed = set(e.data.get("nodes", ()))
            for _, healed in self.of("fault.heal"):
                gone = owed & set(healed.data.get("nodes", ()))
                if healed.subject == e.subject and healed.t >= e.t and gone:
                    owed -= gone
                    found.append(Window(e.t, healed.t, e.subject, tuple(sorted(gone))))
            if owed:
                found.append(Window(e.t, last, e.subject, tuple(sorted(owed))))
        return tuple(sorted(found, key=lambda w: (w.start, w.end, w.label)))

    @cached_property
    def disturbed(self) -> Window:
        """From the first injection to the last heal. Users should be healthy before it and again after it."""
        starts = [e.t for _, e in self.of("fault.inject")]
        if not starts:
            return Window(0.0, 0.0, "")
        return Window(min(starts), max([w.end for w in self.windows], default=max(starts)), "disturbed")

    def phase(self, t: float) -> str:
        w = self.disturbed
        return "before" if t < w.start else "during" if t < w.end else "after"
