"""Runs `chaos run` as a child process: follows its output line by line, and ends it on time-out or on request.

A separate process, because a run on the embedded target has to be in its box from the start, and because a run that
crashes must not affect the runs after it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from chaos import redaction

GRACE = 120.0  # seconds that an interrupted run has to heal and to be judged before it is killed
INTERRUPTED = 130


@dataclass(frozen=True)
class Played:
    """The outcome of a run. `run` is None if it ended before it had a folder: a wrong file, or runs are halted."""

    code: int
    seconds: float
    run: Path | None
    said: tuple[str, ...]  # the lines of its standard error, if it was captured
    over: bool = False  # it was ended because its budget was used up


@dataclass
class Player:
    """Executes `chaos run` commands one at a time in `folder`. `end` interrupts the current one, from any thread.

    `hear` receives every line of standard error. Without it the run writes to our own standard error, and shows the
    live view if that is a terminal.
    """

    folder: Path
    hear: Callable[[str], None] | None = None
    program: Sequence[str] = (sys.executable, "-m", "chaos")
    grace: float = GRACE
    timer: Callable[..., threading.Timer] = threading.Timer
    _child: subprocess.Popen[str] | None = field(default=None, init=False)

    def play(self, args: Sequence[str], into: Path, budget: float | None = None) -> Played:
        """Start a run and return when it has ended. `into`: its folder. `budget`: seconds after which it is
        interrupted.
        """
        began = time.monotonic()
        # A session of its own: a Ctrl-C in the terminal reaches it once, through us.
        argv, env = self.command(args, into)
        child = subprocess.Popen(
            argv, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=None if self.hear is None else subprocess.PIPE, encoding="utf-8", errors="replace",
            start_new_session=True,
        )  # fmt: skip
        self._child = child
        over = threading.Event()
        clocks = [self.timer(budget, self._over, [over])] if budget is not None else []
        for clock in clocks:
            clock.daemon = True
            clock.start()
        try:
            said = tuple(self._heard(child))
            code = child.wait()
        finally:
            for clock in clocks:
                clock.cancel()
            if child.poll() is None:  # an exception is leaving this block: let the run heal, but do not wait forever
                self.end()
                self._wait(child)
            self._child = None
            if child.stderr is not None:
                child.stderr.close()
        run = self.folder / into
        found = run if (run / "plan.json").exists() else None
        return Played(code, time.monotonic() - began, found, said, over.is_set())

    def command(self, args: Sequence[str], into: Path) -> tuple[list[str], dict[str, str]]:
        """The command line and the environment. Secrets of `args` go into the environment, because any user of this
        machine can read a command line.
        """
        argv, hidden = redaction.carried(args)
        return [*self.program, "run", *argv, "--into", str(into)], {**os.environ, **hidden, "PYTHONUNBUFFERED": "1"}

    def _heard(self, child: subprocess.Popen[str]) -> Iterator[str]:
        for line in child.stderr or ():
            yield line.rstrip("\n")
            if self.hear is not None:
                self.hear(line.rstrip("\n"))

    def end(self) -> None:
        """Interrupt the current run, if there is one: it heals, ends and is judged. It is killed if that takes too
        long.
        """
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


@contextlib.contextmanager
def interrupting(end: Callable[[], None]) -> Iterator[list[int]]:
    """Call `end` on Ctrl-C, SIGTERM and SIGHUP while the block lasts.

    Yields the list of signals received so far; if it is not empty, no further run should be started.
    """
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        print("interrupted: the current run heals and ends, please wait", file=sys.stderr)
        end()

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.kill()
