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
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)  # all labels, including chaos.*


class Verdict(enum.Enum):
    """The result of a run, or of one check. Of several, the worst one wins, in this order, not by exit code."""

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
        """The worst verdict. PASS needs at least one verdict: without any, the result is INCONCLUSIVE."""
        found = list(verdicts)
        return reduce(Verdict.__or__, found) if found else Verdict.INCONCLUSIVE


UNREADABLE = "unreadable"  # kind, or result, of the placeholder for a line that could not be read


class Event(msgspec.Struct, frozen=True):
    """One line of journal.jsonl. `t` is seconds since the start of the timeline (negative before it)."""

    t: float
    kind: str  # "fault.inject", "node.down", "probe.sample", ...
    subject: str  # what it happened to
    data: Mapping[str, Any] = {}  # msgspec copies the default


class Op(msgspec.Struct, frozen=True):
    """One line of ops.jsonl: one operation of one user. Times are seconds since the start of the timeline."""

    t: float  # intended start (arrivals are open, so a stalled system does not reduce them)
    start: float  # when it was sent
    end: float  # when the answer arrived, or the attempt was given up
    journey: str
    op: str
    client: str  # web, app, third-party, business
    user: str
    id: str
    result: str  # ok | fail (cannot have happened) | info (may or may not have happened)
    status: int = 0  # HTTP status, 0 when there was no answer
    error: str = ""
    ids: tuple[str, ...] = ()  # op "readback" only: every id found, as often as it was found
    age: float | None = None  # seconds: age of the newest content shown, if the journey shows any
    page: int = 0  # op "readback" only: 1 is a user's first page of a journey; 0 in older records
    last: bool = False  # op "readback" only: it was the user's last page, so everything was read
    write: bool = False  # a read-back of its journey has to find it if it was acknowledged

    @property
    def ok(self) -> bool:
        return self.result == "ok"

    @property
    def latency(self) -> float:
        """Seconds from the intended start, including the wait until it was sent."""
        return self.end - self.t


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a load noticed about itself: event `load.KIND` of the journal, from chaos/load/notes.py."""

    t: float  # seconds on the timeline
    kind: str
    seconds: float | None = None  # how long it lasted; None: it was still so when it was written
    what: str = ""  # the class of users, or its error
    where: tuple[str, ...] = ()  # lines of code, the innermost last


def badge(verdict: str, expected_failures: int) -> str:
    """A verdict with the number of expected failures: `PASS, 1 expected failure`. Only PASS may contain any."""
    if verdict != Verdict.PASS.value or not expected_failures:
        return verdict
    return f"{verdict}, {expected_failures} expected failure{'s' * (expected_failures > 1)}"


@dataclass(frozen=True)
class Finding:
    """The result of one check. `evidence` names lines: "ops:12", "journal:7" (1 is a file's first line)."""

    check: str
    verdict: Verdict
    summary: str
    evidence: tuple[str, ...] = ()
    xfail: str = ""  # why this is expected to fail; set by the judge, never by a checker
