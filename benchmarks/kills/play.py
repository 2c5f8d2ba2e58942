"""One kill: a real run, hit at a step boundary; then look until nothing is broken and nobody is left."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from benchmarks.kills import proc
from benchmarks.kills.cells import AT_NEXT_START, ENDS_HARNESS, EVENTS, Cell
from benchmarks.kills.engine import Engine
from benchmarks.kills.ground import AT, LASTS, Broken, Ground
from benchmarks.kills.look import look_at
from benchmarks.kills.victims import Victims

REACHES = 60.0  # seconds a run may take to come to a boundary
HEALS = 30.0  # seconds after which what is still there is leaked
ENDS = 60.0  # seconds that a harness which lives on may take to end
# Seconds with something broken and nobody there to heal it: the next start is due. A look that the harness had begun
# inside a node outlives it, and ends by itself within three (`timeout 3`, surroundings.py).
NOBODY = 3.5
CALM = 0.4  # seconds without anything broken, and without a stray: it is over
EVERY = {"process": 0.03, "compose": 0.1}  # seconds between two looks
OUTCOMES = ("healed", "next start", "leaked", "missed", "absent")  # the last two are no kills


class Kill(msgspec.Struct, frozen=True):
    """What came of one kill; a line of the results' file."""

    n: int
    code: str  # which harness: a digest of its sources
    target: str
    stack: str
    fault: str
    boundary: str
    victim: str
    outcome: str
    hurt: bool = False  # something was broken when, or after, it was hit
    healed: float = 0.0  # seconds; from the kill, or from the end of a harness that lived on
    gone: float = 0.0  # seconds until no process of the run was left either
    left: Sequence[str] = ()


@dataclass
class _Seen:
    """What the looks after a kill came to."""

    outcome: str
    hurt: bool
    last_broken: float  # on the monotonic clock; when something was seen broken for the last time
    last_stray: float
    left: Sequence[str]


class Player:
    """Kills on one ground, one after another; the stack stands between them as long as it is whole."""

    def __init__(self, ground: Ground, code: str) -> None:
        self.ground, self.code = ground, code
        self.look = look_at(ground)
        self._ended_at = 0.0  # when the harness of this kill had ended, on the monotonic clock

    def close(self) -> None:
        self.look.close()
        if self.ground.standing:
            self.ground.down()

    def play(self, n: int, cell: Cell, dice: random.Random) -> Kill:
        """Raises Broken when the stack cannot be brought up."""
        self._prepare(cell.stack)
        engine = None
        if cell.victim.startswith("engine"):
            engine = Engine("/var/run/docker.sock")
            engine.open()
        tag = f"run{n}"
        started = self.ground.start(cell.fault, tag, {"DOCKER_HOST": engine.host} if engine else {})
        try:
            why = self._reach(cell.boundary, started, dice)
            if why:
                return self._result(n, cell, "missed", left=[why])
            struck = time.monotonic()
            if not Victims(self.look, tag, started, engine).hit(cell.victim, cell.stack, dice):
                return self._result(n, cell, "absent")
            seen = self._watch(cell, started, struck, engine)
            ended = struck if cell.victim in ENDS_HARNESS else max(struck, self._ended_at)
            return self._result(
                n, cell, seen.outcome, seen.hurt, max(0.0, seen.last_broken - ended) if seen.hurt else 0.0,
                max(0.0, seen.last_stray - ended), seen.left,
            )  # fmt: skip
        finally:
            if engine:
                engine.close()
            self._clear(started)

    def _result(
        self, n: int, cell: Cell, outcome: str, hurt: bool = False, healed: float = 0.0, gone: float = 0.0,
        left: Sequence[str] = (),
    ) -> Kill:  # fmt: skip
        return Kill(
            n, self.code, cell.target, cell.stack, cell.fault, cell.boundary, cell.victim, outcome, hurt,
            round(healed, 3), round(gone, 3), left,
        )  # fmt: skip

    def _prepare(self, stack: str) -> None:
        wanted = stack == "standing"
        if wanted and self.ground.standing and self.look.broken():
            self._renew()
        if wanted != self.ground.standing:
            if wanted:
                self.ground.up()
                self._settle()
            else:
                self.look.close()
                self.ground.down()
                self.look = look_at(self.ground)

    def _settle(self) -> None:
        """Take for whole what does not change any more: a node's children come a moment after it."""
        end, seen = time.monotonic() + 15.0, dict(self.look.facts())
        while time.monotonic() < end:
            time.sleep(0.5)
            now = dict(self.look.facts())
            if now == seen and now:
                self.look.settle()
                return
            seen = now
        raise Broken(f"the stack does not come to rest: {seen}")

    def _renew(self) -> None:
        self.look.close()
        self.ground.down()
        self.look = look_at(self.ground)

    def _reach(self, boundary: str, started: subprocess.Popen[bytes], dice: random.Random) -> str:
        """Return at the boundary, and a few moments later if the dice say so; why not, if it never came."""
        kind, subject = EVENTS[boundary]
        end = time.monotonic() + REACHES
        while time.monotonic() < end:
            for event in self.ground.journal():
                if event["kind"] == kind and subject in ("", event["subject"]):
                    late = {"bites": LASTS / 2, "heal due": AT + LASTS - event["t"]}.get(boundary, 0.0)
                    scatter = dice.choice([0.0, dice.uniform(0.0, 0.06)])
                    time.sleep(max(0.0, late + scatter - (0.03 if boundary == "heal due" else 0.0)))
                    return ""
            if started.poll() is not None:
                return f"the run ended with {started.returncode} before: {self.ground.said()[-300:]}"
            time.sleep(0.004)
        return f"the run did not come to it within {REACHES:.0f} s: {self.ground.said()[-300:]}"

    def _watch(self, cell: Cell, started: subprocess.Popen[bytes], struck: float, engine: Engine | None) -> _Seen:
        seen = _Seen("healed", False, 0.0, 0.0, ())
        self._ended_at = 0.0
        healing = False
        calm_since = alone_since = 0.0
        while True:
            if started.poll() is not None and not self._ended_at:
                self._ended_at = time.monotonic()
            broken, strays, alone = self.look.broken(), self.look.strays(), not self.look.stray_processes()
            now = time.monotonic()
            if broken:
                seen.hurt, seen.last_broken = True, now
            if strays:
                seen.last_stray = now
            alone_since = alone_since or now if alone and self._ended_at else 0.0
            calm_since = calm_since or now if not (broken or strays) and alone_since else 0.0
            if calm_since and now - calm_since > CALM:
                return seen
            nobody = alone_since and now - alone_since > NOBODY
            if (broken or strays) and nobody and not healing and cell.stack == "standing":
                healing = True
                seen.outcome = "next start" if cell.victim in AT_NEXT_START else "leaked"
                seen.left = [*broken, *strays]
                if engine:
                    engine.cut()
                self.ground.command("heal")
                alone_since = 0.0
            limit = HEALS if self._ended_at else ENDS
            if now - max(struck, self._ended_at) > limit:
                seen.outcome, seen.left = "leaked", [*broken, *strays] or ["the harness does not end"]
                return seen
            time.sleep(EVERY[cell.target])

    def _clear(self, started: subprocess.Popen[bytes]) -> None:
        """End what is left of this run, whatever came of it, so that the next one begins on clean ground."""
        proc.send(self.look.stray_processes(), signal.SIGTERM)
        end = time.monotonic() + 10.0
        while self.look.stray_processes() and time.monotonic() < end:
            started.poll()
            time.sleep(0.05)
        proc.send(self.look.stray_processes(), signal.SIGKILL)
        started.wait(20.0)
        if self.ground.standing:
            self.ground.command("heal") if self.look.broken() else None
        else:
            proc.send(self.look.node_processes(), signal.SIGKILL)
