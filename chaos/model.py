"""Plain values shared by every layer: no I/O, no clocks, no asyncio."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import msgspec


@dataclass(frozen=True, order=True)
class Node:
    """One container, or one process group of the embedded stack. `name` is the compose service's name."""

    name: str
    component: str
    zone: str
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)  # every label, chaos.* included


class Verdict(enum.Enum):
    """What a run, or one check of it, came to. The worst of several wins, in this order, not by exit code."""

    PASS = "PASS"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"
    ERROR = "ERROR"
    DIRTY = "DIRTY"

    @property
    def exit_code(self) -> int:
        return {"PASS": 0, "FAIL": 1, "ERROR": 2, "INCONCLUSIVE": 3, "DIRTY": 4}[self.value]

    def __or__(self, other: Verdict) -> Verdict:
        order = list(Verdict)
        return max(self, other, key=order.index)

    @staticmethod
    def worst(verdicts: Iterable[Verdict]) -> Verdict:
        """PASS only if somebody said so: no verdict at all is INCONCLUSIVE."""
        found = list(verdicts)
        return reduce(Verdict.__or__, found) if found else Verdict.INCONCLUSIVE


class Event(msgspec.Struct, frozen=True):
    """One line of journal.jsonl. `t` is seconds since the start of the timeline (negative before it)."""

    t: float
    kind: str  # "fault.inject", "node.down", "probe.sample", ...
    subject: str  # what it happened to
    data: Mapping[str, Any] = {}  # msgspec copies it


class Op(msgspec.Struct, frozen=True):
    """One line of ops.jsonl: one operation of one user. Times are seconds since the start of the timeline."""

    t: float  # when it was meant to start (arrivals are open: a stalled system is not let off)
    start: float  # when it was sent
    end: float  # when the answer was there, or was given up
    journey: str
    op: str
    client: str  # web, app, third-party, business
    user: str
    id: str
    result: str  # ok | fail (cannot have happened) | info (may or may not have happened)
    status: int = 0  # HTTP status, 0 when there was no answer
    error: str = ""
    ids: tuple[str, ...] = ()  # op "readback" only: every id found, as often as it was found
    age: float | None = None  # seconds: how old the newest content shown was, where a journey shows any
    write: bool = False  # what a read-back of its journey has to find again, once it was acknowledged

    @property
    def ok(self) -> bool:
        return self.result == "ok"

    @property
    def latency(self) -> float:
        """Seconds from the intended start, so that waiting to be sent counts."""
        return self.end - self.t


@dataclass(frozen=True)
class Finding:
    """What one check found. `evidence` names lines: "ops:12", "journal:7" (1 is a file's first line)."""

    check: str
    verdict: Verdict
    summary: str
    evidence: tuple[str, ...] = ()
    known_gap: str = ""  # why this is known to fail; set by the judge, never by a checker
