"""Who is killed: found below one run by its mark, hit by pid and start time."""

from __future__ import annotations

import random
import subprocess
import threading
from signal import SIGINT, SIGKILL, SIGTERM

from benchmarks.kills import proc
from benchmarks.kills.engine import Engine
from benchmarks.kills.groups import Group
from benchmarks.kills.look import Containers, Look
from benchmarks.kills.proc import Proc
from benchmarks.kills.rig import MARK

SIGNALS = {"harness SIGKILL": SIGKILL, "harness SIGTERM": SIGTERM, "harness SIGINT": SIGINT}
NODE = "web-a"  # of zone a, which the fault hits


class Victims:
    """Of the run that `started` with `tag`."""

    def __init__(
        self, look: Look, tag: str, started: subprocess.Popen[bytes], engine: Engine | None, group: Group | None
    ) -> None:
        self._look, self._started, self._engine, self._group = look, started, engine, group
        self._mark = f"{MARK}={look.rig.token}{tag}."

    def hit(self, victim: str, stack: str, dice: random.Random) -> bool:
        """False when there is no such victim now."""
        if victim in SIGNALS:
            return proc.send(self._harness(), SIGNALS[victim]) > 0
        if victim == "harness SIGINT twice":
            hit = proc.send(self._harness(), SIGINT) > 0
            again = self._harness()
            threading.Timer(dice.uniform(0.02, 0.4), lambda: proc.send(again, SIGINT)).start()
            return hit
        if victim == "harness inside":
            return proc.send(self._inside(), SIGKILL) > 0
        if victim == "watchdog":
            return proc.send(self._watchdog(stack), SIGKILL) > 0
        if victim == "harness and watchdog":
            return proc.send([*self._watchdog(stack), *self._inside(), *self._harness()], SIGKILL) > 1
        if victim == "control group":
            return self._group is not None and self._group.kill()
        if victim == "helper":
            return self._helper()
        if victim == "node":
            return self._node()
        assert self._engine is not None, "only the compose target has an engine"
        self._engine.cut()
        if victim == "engine for 1 s":
            threading.Timer(1.0, self._engine.open).start()
        return True

    @property
    def _compose(self) -> Containers | None:
        return self._look if isinstance(self._look, Containers) else None

    def _ours(self) -> list[Proc]:
        return proc.marked(self._mark)

    def _harness(self) -> list[Proc]:
        return [p for p in self._ours() if p.pid == self._started.pid]

    def _inside(self) -> list[Proc]:
        """The part of an embedded run that plays, in the box."""
        words = (" -m chaos run ", " -m chaos up ")
        return [p for p in self._ours() if any(w in p.command for w in words) and p.value("CHAOS_BOX")]

    def _watchdog(self, stack: str) -> list[Proc]:
        """The process that is told of the harness's death; in a box of the run's own that is its first process."""
        word = "box/init.py" if self._compose is None and stack == "owned" else "chaos.run.watchdog"
        return [p for p in self._ours() if word in p.command and "unshare" not in p.command]

    def _helper(self) -> bool:
        if self._compose is None:
            return proc.send([p for p in self._ours() if "chaos.helper" in p.command.split()], SIGKILL) > 0
        doomed = [c["Id"] for c in self._compose.beside("helper") if c["State"] == "running"]
        return sum(self._kill(id_) for id_ in doomed) > 0

    def _node(self) -> bool:
        if self._compose is None:
            return proc.send(self._look.node_processes(NODE), SIGKILL) > 0
        rows = [c for c in self._compose.containers() if c["Labels"]["com.docker.compose.service"] == NODE]
        return sum(self._kill(c["Id"]) for c in rows if c["State"] in ("running", "paused")) > 0

    def _kill(self, id_: str) -> bool:
        from docker.errors import APIError

        assert self._compose is not None
        try:
            self._compose.api.kill(id_, "SIGKILL")
        except APIError:  # it went by itself
            return False
        return True
