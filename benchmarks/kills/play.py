"""One kill: a real run, hit at a step boundary; then look until nothing is broken and nobody is left."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from benchmarks.kills import proc
from benchmarks.kills.cells import AT_NEXT_START, ENDS_HARNESS, EVENTS, SECOND, UP_BOUNDARIES, Cell
from benchmarks.kills.engine import Engine
from benchmarks.kills.groups import Group
from benchmarks.kills.look import Containers, look_at
from benchmarks.kills.rig import AT, LASTS, MARK, Broken, Rig
from benchmarks.kills.strangers import Strangers
from benchmarks.kills.victims import Victims

REACHES = 60.0  # seconds a run may take to come to a boundary
HEALS = 30.0  # seconds after which what is still there is leaked
LETS_GO = 2.0  # seconds that a run which has let its stack go may still take to end
VERDICTS = (0, 1, 3)  # exit codes of a run that was not disturbed
ENDS = 60.0  # seconds that a harness which lives on may take to end
# Seconds with something broken and nobody there to heal it: the next start is due. A look that the harness had begun
# inside a node outlives it, and ends by itself within three (`timeout 3`, container_env.py).
NOBODY = 3.5
NODES = 3  # of the stack
IN_USE = 75  # exit code of a command on a stack that another one holds
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
    """Kills on one rig, one after another; the stack stands between them as long as it is whole."""

    def __init__(self, rig: Rig, code: str) -> None:
        self.rig, self.code = rig, code
        self.look = look_at(rig)
        self.strangers = Strangers(self.look.api, rig.project) if isinstance(self.look, Containers) else None
        self._ended_at = 0.0  # when the harness of this kill had ended, on the monotonic clock

    def close(self) -> None:
        if self.strangers:
            self.strangers.close()
        self.look.close()
        if self.rig.standing:
            self.rig.down()

    def play(self, n: int, cell: Cell, dice: random.Random) -> Kill:
        """Raises Broken when the stack cannot be brought up."""
        self._prepare(cell.stack)
        engine = None
        if cell.victim.startswith("engine"):
            engine = Engine("/var/run/docker.sock")
            engine.open()
        group = _group(self.rig.token) if cell.victim == "control group" else None
        tag = f"run{n}"
        more = {"DOCKER_HOST": engine.host} if engine else {}
        started = self.rig.start(cell.fault, tag, more, group)
        try:
            why = self._reach(cell.boundary, started, dice)
            if why:
                return self._result(n, cell, "missed", left=[why])
            struck = time.monotonic()
            if cell.victim in SECOND:
                harmed = self._second(cell, started)
                if harmed is None:
                    return self._result(n, cell, "absent")
            elif not Victims(self.look, tag, started, engine, group).hit(cell.victim, cell.stack, dice):
                return self._result(n, cell, "absent")
            seen = self._watch(cell, started, struck, engine)
            if cell.victim in SECOND:
                self._judge_first(seen, started)
                self._blame(seen, harmed or [])
            if self.strangers:
                self._blame(seen, self.strangers.touched())
            ended = struck if cell.victim in ENDS_HARNESS else max(struck, self._ended_at)
            return self._result(
                n, cell, seen.outcome, seen.hurt, max(0.0, seen.last_broken - ended) if seen.hurt else 0.0,
                max(0.0, seen.last_stray - ended), seen.left,
            )  # fmt: skip
        finally:
            if engine:
                engine.close()
            self._clear(started)
            if group:
                group.close()

    @staticmethod
    def _blame(seen: _Seen, harm: Sequence[str]) -> None:
        """What was done to others counts as leaked."""
        if harm:
            seen.outcome, seen.left = "leaked", [*seen.left, *harm]

    def _second(self, cell: Cell, started: subprocess.Popen[bytes]) -> list[str] | None:
        """Another command on the stack: what is wrong with how it ended. None where the first had let the stack go,
        which it does a moment before it ends: then it comes to its verdict all the same."""
        word = cell.victim.removeprefix("second ")
        code, said = self.rig.command(*(self.rig.words(cell.fault, "second") if word == "run" else (word,)))
        if code == IN_USE:
            return []
        with contextlib.suppress(subprocess.TimeoutExpired):
            if started.wait(LETS_GO) in VERDICTS:
                return None
        return [f"{cell.victim} was not refused: exit {code}, {said[-200:]}"]

    def _judge_first(self, seen: _Seen, started: subprocess.Popen[bytes]) -> None:
        """A first run that went wrong was hurt. One that a busy machine may have spoilt shows nothing."""
        events = self.rig.journal()
        errors = [e for e in events if e["kind"] in ("run.error", "fault.gone")]
        if any(e["kind"] == "fault.gone" or e["data"]["type"] in ("NotSteady", "NoEffect") for e in errors):
            seen.outcome = "missed"
            return
        self._blame(seen, [f"the first run: {e['data']['error']}" for e in errors])
        ends = [e["data"]["status"] for e in events if e["kind"] == "run.end"]
        self._blame(seen, [] if ends == ["done"] else [f"the first run: status {ends}, exit {started.returncode}"])

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
        if wanted and self.rig.standing and self.look.broken():
            self._renew()
        if wanted != self.rig.standing:
            if wanted:
                self.rig.up()
                self._settle()
            else:
                self.look.close()
                self.rig.down()
                self.look = look_at(self.rig)

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
        self.rig.down()
        self.look = look_at(self.rig)

    def _reach(self, boundary: str, started: subprocess.Popen[bytes], dice: random.Random) -> str:
        """Return at the boundary, and a few moments later if the dice say so; why not, if it never came."""
        end = time.monotonic() + REACHES
        while time.monotonic() < end:
            late = self._passed_of_up(boundary, started) if boundary in UP_BOUNDARIES else self._passed(boundary)
            if late is not None:
                scatter = dice.choice([0.0, dice.uniform(0.0, 0.4 if boundary in UP_BOUNDARIES else 0.06)])
                time.sleep(late + scatter)
                return ""
            if started.poll() is not None:
                return f"the run ended with {started.returncode} before: {self.rig.said()[-300:]}"
            time.sleep(0.004)
        return f"the run did not come to it within {REACHES:.0f} s: {self.rig.said()[-300:]}"

    def _passed(self, boundary: str) -> float | None:
        """Seconds until the boundary is there, by what the journal says; None while nobody knows."""
        kind, subject = EVENTS[boundary]
        for event in self.rig.journal():
            if event["kind"] == kind and subject in ("", event["subject"]):
                due: dict[str, float] = {"bites": LASTS / 2, "heal due": AT + LASTS - event["t"] - 0.03}
                return max(0.0, due.get(boundary, 0.0))
        return None

    def _passed_of_up(self, boundary: str, started: subprocess.Popen[bytes]) -> float | None:
        nodes = {p.value("NAME") for p in self.look.node_processes()}
        there: Mapping[str, Callable[[], bool]] = {
            "up begun": lambda: True,
            "up held": lambda: self.rig.holder() == started.pid,
            "up made": lambda: bool(nodes) or self._being_made(),
            "up first node": lambda: bool(nodes),
            "up all nodes": lambda: len(nodes) >= NODES,
            "up done": lambda: self._up_is_said(started),
        }
        return 0.0 if there[boundary]() else None

    def _up_is_said(self, started: subprocess.Popen[bytes]) -> bool:
        """From then on the stack stands, whatever ends the command."""
        return started.returncode == 0 or f"{NODES} nodes are up" in self.rig.said()

    def _being_made(self) -> bool:
        """There is a box, or Compose is at work."""
        ours = proc.marked(f"{MARK}={self.rig.token}")
        return any("box/init.py" in p.command or " up --detach" in p.command for p in ours)

    def _watch(self, cell: Cell, started: subprocess.Popen[bytes], struck: float, engine: Engine | None) -> _Seen:
        seen = _Seen("healed", False, 0.0, 0.0, ())
        self._ended_at = 0.0
        healing = False
        calm_since = alone_since = 0.0
        while True:
            if started.poll() is not None and not self._ended_at:
                self._ended_at = time.monotonic()
                if engine:
                    engine.open()
                if cell.stack == "up" and self._up_is_said(started):  # too late: what stands is found and ended
                    self.rig.command("down")
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
            if (broken or strays) and nobody and not healing and (cell.stack == "standing" or self.strangers):
                healing = True
                seen.outcome = "next start" if cell.victim in AT_NEXT_START else "leaked"
                seen.left = [*broken, *strays]
                self.rig.command("heal")
                alone_since = 0.0
            limit = HEALS if self._ended_at else ENDS
            if now - max(struck, self._ended_at) > limit:
                seen.outcome, seen.left = "leaked", [*broken, *strays] or ["the harness does not end"]
                return seen
            time.sleep(EVERY[cell.target])

    def _clear(self, started: subprocess.Popen[bytes]) -> None:
        """End what is left of this run, whatever came of it, so that the next one starts clean."""
        proc.send(self.look.stray_processes(), signal.SIGTERM)
        end = time.monotonic() + 10.0
        while self.look.stray_processes() and time.monotonic() < end:
            started.poll()
            time.sleep(0.05)
        proc.send(self.look.stray_processes(), signal.SIGKILL)
        started.wait(20.0)
        if self.rig.standing:
            self.rig.command("heal") if self.look.broken() else None
        elif self.strangers:
            self.rig.command("down") if self.look.broken() else None
        else:
            proc.send(self.look.node_processes(), signal.SIGKILL)


def _group(token: str) -> Group | None:
    """None where no control group may be made: then there is no such victim."""
    try:
        return Group(f"kills-{token.rstrip('.')}")
    except OSError:
        return None
