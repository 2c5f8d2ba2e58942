"""What the matrix is made of: every fault, step boundary and victim on a target, in an order that the seed gives."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

BOUNDARIES = (  # where a run is when it is hit; times within a few tens of milliseconds come from the seed
    "up", "stack up", "steady", "timeline", "intent", "inject", "active", "bites", "heal due", "heal", "recover",
    "readback", "end",
)  # fmt: skip
EVENTS: Mapping[str, tuple[str, str]] = {  # the line of the journal that begins a boundary: kind, subject
    "up": ("phase", "up"),
    "stack up": ("stack.up", ""),
    "steady": ("phase", "steady"),
    "timeline": ("phase", "timeline"),
    "intent": ("step.intent", ""),
    "inject": ("fault.inject", ""),
    "active": ("fault.active", ""),
    "bites": ("fault.active", ""),  # and half of the fault's time
    "heal due": ("fault.active", ""),  # and all of it
    "heal": ("fault.heal", ""),
    "recover": ("phase", "recover"),
    "readback": ("phase", "readback"),
    "end": ("residue", ""),
}
UP_BOUNDARIES = (  # where `chaos up` is when it is hit, seen from outside
    "up begun", "up held", "up made", "up first node", "up all nodes", "up done",
)  # fmt: skip
HARNESS = ("harness SIGKILL", "harness SIGTERM", "harness SIGINT", "harness SIGINT twice")
SECOND = ("second run", "second up", "second heal", "second down")  # nobody is hit: another command on the stack
LIKE_A_RUN = ("harness inside", "watchdog", "harness and watchdog", "helper", "node")
VICTIMS: Mapping[tuple[str, str], Sequence[str]] = {  # by target, and by whose the stack is
    ("process", "owned"): (*HARNESS, *LIKE_A_RUN, *SECOND),
    ("process", "standing"): (*HARNESS, *LIKE_A_RUN, *SECOND),
    ("process", "up"): (*HARNESS, "harness inside"),
    ("compose", "owned"): (
        "harness SIGKILL", "harness SIGTERM", "watchdog", "harness and watchdog", "control group", *SECOND,
    ),
    ("compose", "standing"): (
        *HARNESS, "watchdog", "harness and watchdog", "control group", "helper", "node", "engine", "engine for 1 s",
        *SECOND,
    ),
    ("compose", "up"): (*HARNESS, "watchdog", "harness and watchdog", "control group"),
}  # fmt: skip
ENDS_HARNESS = {*HARNESS, "harness inside", "harness and watchdog", "control group"}
AT_NEXT_START = {"harness and watchdog"}  # nobody is left who could clear up: the next start has to


@dataclass(frozen=True)
class Cell:
    target: str
    stack: str  # owned: the run starts and ends it; standing: `chaos up` left it; up: it is `chaos up` that is hit
    fault: str  # of the run; empty for `chaos up`
    boundary: str
    victim: str

    def __str__(self) -> str:
        return f"{self.target} {self.stack}  {self.fault} · {self.boundary} · {self.victim}"

    @property
    def row(self) -> str:
        return f"{self.stack} {self.victim}"


def cells(target: str, faults: Sequence[str], rows: str = "") -> list[Cell]:
    """Every cell of a target, or of the rows whose stack or victim has `rows` in it.

    A node killed after the run has looked for the last time is not the run's to heal.
    """
    every = [
        Cell(target, stack, fault, boundary, victim)
        for (kind, stack), victims in VICTIMS.items()
        if kind == target
        for fault in (faults if stack != "up" else [""])
        for boundary in (BOUNDARIES if stack != "up" else UP_BOUNDARIES)
        for victim in victims
        if not (victim == "node" and boundary in {"up", "end"})
    ]
    return [cell for cell in every if rows in cell.row]


def drawn(cells: Sequence[Cell], seed: int) -> Iterator[tuple[Cell, random.Random]]:
    """Cells without end, each round in an order of its own, and the dice of each kill."""
    dice = random.Random(seed)
    n = 0
    while cells:
        for cell in dice.sample(cells, len(cells)):
            yield cell, random.Random(f"{seed} {n}")
            n += 1
