"""A run played by a `chaos` of its own: started, followed line by line, ended when its time is up or when asked.

A process of its own, because a run on the embedded target has to be in its box from the beginning, and because one
run that breaks must not take those after it along.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 120.0  # seconds a run that was interrupted has to heal and to be judged before it is killed
INTERRUPTED = 130
_LINE = re.compile(r"^(?P<experiment>\S+): seed \S+, target .* → (?P<run>.+)$")


def announcement(experiment: str, seed: int, target: str, posture: str, run: str) -> str:
    """What a run says first: `announced` reads it."""
    return f"{experiment}: seed {seed}, target {target}, posture {posture or 'none'} → {run}"


def announced(line: str) -> str | None:
    """The run's folder, if this line is the one that names it."""
    found = _LINE.match(line.rstrip("\n"))
    return found["run"] if found else None


@dataclass(frozen=True)
class Played:
    """How it went. `run` is None if it ended before it had a folder: a wrong file, or runs that are halted."""

    code: int
    seconds: float
    run: Path | None
    said: tuple[str, ...]  # its standard error, line by line
    over: bool = False  # it was ended because its time was up


@dataclass
class Player:
    """Plays one `chaos run` after the other in `folder`; `end` interrupts the one that goes on, from any thread.

    `hear` gets every line of standard error as it comes.
    """

    folder: Path
    hear: Callable[[str], None] = lambda line: None
    program: Sequence[str] = (sys.executable, "-m", "chaos")
    grace: float = GRACE
    timer: Callable[..., threading.Timer] = threading.Timer
    _child: subprocess.Popen[str] | None = field(default=None, init=False)

    def play(self, args: Sequence[str], budget: float | None = None) -> Played:
        """Returns when it has ended. `budget`: seconds after which it is interrupted, and heals."""
        began = time.monotonic()
        # A session of its own: the terminal's Ctrl-C reaches it through us, once.
        child = subprocess.Popen(
            [*self.program, "run", *args], cwd=self.folder, env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        self._child = child
        over = threading.Event()
        clocks = [self.timer(budget, self._over, [over])] if budget is not None else []
        for clock in clocks:
            clock.daemon = True
            clock.start()
        said: list[str] = []
        run: Path | None = None
        try:
            assert child.stderr is not None
            for line in child.stderr:
                said.append(line.rstrip("\n"))
                if run is None and (found := announced(line)):
                    run = self.folder / found
                self.hear(said[-1])
            code = child.wait()
        finally:
            for clock in clocks:
                clock.cancel()
            if child.poll() is None:  # we are leaving by an exception: it heals, and nobody waits for ever
                self.end()
                self._wait(child)
            self._child = None
            assert child.stderr is not None
            child.stderr.close()
        return Played(code, time.monotonic() - began, run, tuple(said), over.is_set())

    def end(self) -> None:
        """Interrupt the run that goes on, if one does: it heals, ends and is judged; killed if that takes too long."""
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.send_signal(signal.SIGINT)
        last = threading.Timer(self.grace, _kill, [child])
        last.daemon = True
        last.start()

    def _over(self, over: threading.Event) -> None:
        over.set()
        self.end()

    def _wait(self, child: subprocess.Popen[str]) -> None:
        try:
            child.wait(self.grace)
        except subprocess.TimeoutExpired:
            _kill(child)
            child.wait()


def _kill(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.kill()
