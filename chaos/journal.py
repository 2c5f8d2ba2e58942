"""What happened, in order, once: the read side of a run's files. Everything after a run is a function of this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from chaos.errors import ChaosError
from chaos.model import Event, Op
from chaos.plan import Plan

Line = int  # 1 is the first line of a file; findings name them "journal:7" and "ops:12"


@dataclass(frozen=True)
class Window:
    """Half-open [start, end): a fault bites from `start` on and no longer at `end`. Seconds on the timeline."""

    start: float
    end: float
    label: str
    nodes: tuple[str, ...] = ()

    def __contains__(self, t: float) -> bool:
        return self.start <= t < self.end


UNMARKED = frozenset({"send", "transfer"})  # operations that were writes before `write` marked them


@dataclass(frozen=True)
class Journal:
    plan: Plan
    events: tuple[Event, ...]
    ops: tuple[Op, ...]
    env: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, run: Path) -> Journal:
        """Read a run's folder: plan.json, env.json, journal.jsonl, ops.jsonl. A torn last line is left out."""
        try:
            plan = msgspec.json.decode((run / "plan.json").read_bytes(), type=Plan)
        except FileNotFoundError:
            raise ChaosError(f"{run}: no plan.json in it, so this is not the folder of a run (see runs/)") from None
        except msgspec.MsgspecError as e:
            raise ChaosError(f"{run}/plan.json: {e}") from None
        env = run / "env.json"
        return cls(
            plan,
            tuple(_lines(run / "journal.jsonl", Event)),
            tuple(_lines(run / "ops.jsonl", Op)),
            msgspec.json.decode(env.read_bytes()) if env.exists() else {},
        )

    def of(self, prefix: str) -> Iterator[tuple[Line, Event]]:
        """Events whose kind is `prefix`, or begins with it where it ends in a dot."""
        for n, e in enumerate(self.events, 1):
            if e.kind == prefix or (prefix.endswith(".") and e.kind.startswith(prefix)):
                yield n, e

    def operations(self, journey: str | None = None) -> Iterator[tuple[Line, Op]]:
        """What users did, without the read-back."""
        for n, op in enumerate(self.ops, 1):
            if op.op != "readback" and (journey is None or op.journey == journey):
                yield n, op

    @cached_property
    def writes(self) -> tuple[tuple[Line, Op], ...]:
        """What a read-back has to find again, once it was acknowledged. In records older than the mark, by name."""
        found = list(self.operations())
        marked = any(op.write for _, op in found)
        return tuple((n, op) for n, op in found if (op.write if marked else op.op in UNMARKED))

    @cached_property
    def journeys(self) -> tuple[str, ...]:
        return tuple(sorted({op.journey for _, op in self.operations()}))

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """One a fault and release: from fault.active to its fault.heal, or to the end of the journal."""
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
        """From the first injection to the last heal. Before it users were well, after it they should be again."""
        starts = [e.t for _, e in self.of("fault.inject")]
        if not starts:
            return Window(0.0, 0.0, "")
        return Window(min(starts), max([w.end for w in self.windows], default=max(starts)), "disturbed")

    def phase(self, t: float) -> str:
        w = self.disturbed
        return "before" if t < w.start else "during" if t < w.end else "after"


T = TypeVar("T")


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    decoder = msgspec.json.Decoder(kind)
    raw = path.read_bytes().split(b"\n") if path.exists() else []
    for n, line in enumerate(raw, 1):
        if not line:
            continue
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError as e:
            if n == len(raw):  # the writer was killed in the middle of a line
                return
            raise ChaosError(f"{path}:{n}: {e}") from None
