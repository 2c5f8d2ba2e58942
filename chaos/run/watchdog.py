"""Clears up if the harness is killed or stalls, so that nothing stays broken.

It runs in its own session and, if permitted, in its own control group. Its standard input is a pipe, on which the
harness writes single bytes: RENEW every second while it may break things, REST when it will not for a while, and DONE
before it ends normally. If the pipe closes without DONE, the harness was killed. If LEASE checks in a row, one second
apart, find no renewal, the harness hangs or was stopped (SIGSTOP). In both cases the watchdog runs the command
repeatedly until it exits with 0.

`python -m chaos.run.watchdog LOG COMMAND…`: LOG receives a log of its actions and the command's output.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from chaos import crash
from chaos.errors import ChaosError, LeaseLost
from chaos.run import control_group, stack_lock
from chaos.waiting import block_until

RENEW, REST, DONE = b"+", b"-", b"."
# LEASE counts checks, not seconds on a clock: after a suspended machine wakes up, both sides find that the clock has
# jumped, but only one check was missed. Ten, because a renewal waits behind the journal's fsync, which takes seconds on
# a busy disk, and because a fault that lasts ten seconds too long is no worse than a slow heal.
LEASE = 10
EVERY = 1.0  # seconds
# Attempts go on for this long. By then a restarted engine or a busy machine is usually available again. If not, a
# person has to act, and a process that nobody knows about should not hold the stack until then.
GIVES_UP = 600.0  # seconds
PAUSES = (1.0, 15.0)  # seconds between two attempts: at first, and at most
TRY = 180.0  # seconds that one attempt may take


class Watchdog:
    """`with Watchdog(command):` runs `command` if the process ends or stalls without leaving the block normally.

    `env` and `pass_fds` are for the command; `log` is a file for people that records what the watchdog did.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        pass_fds: Collection[int] = (),
        log: Path | None = None,
    ) -> None:
        self._command, self._env, self._fds, self.log = command, env, pass_fds, log
        self.abandoned = False
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chaos.run.watchdog", str(self.log or os.devnull), *self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=self._env,
            pass_fds=self._fds,
        )
        assert self.process.stdin is not None
        self._pipe = self.process.stdin.fileno()
        os.set_blocking(self._pipe, False)  # a stopped watchdog must not block the harness

    def __enter__(self) -> Self:
        """Return when the watchdog is running in its own session."""
        assert self.process.stdout is not None
        with self.process.stdout as ready:
            ready.read()
        return self

    def abandon(self) -> None:
        """The harness could not clear up. After the block, the watchdog keeps trying, and the harness does not wait for
        it.
        """
        self.abandoned = True

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGCONT)
        if self.abandoned:
            assert self.process.stdin is not None
            self.process.stdin.close()
            return
        os.set_blocking(self._pipe, True)  # DONE must not be lost
        with suppress(BrokenPipeError):  # the watchdog was killed; the harness is ending normally anyway
            os.write(self._pipe, DONE)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _say(self, word: bytes) -> None:
        with suppress(BlockingIOError):  # the pipe is full: a watchdog that was stopped will find enough renewals in it
            os.write(self._pipe, word)

    def renew(self) -> None:
        """Renew the lease. Raises LeaseLost if the watchdog is already healing.

        A watchdog that was killed is replaced.
        """
        try:
            self._say(RENEW)
        except BrokenPipeError:
            if not self._killed():
                raise LeaseLost(
                    "the harness stood still for so long that its watchdog healed in its place; "
                    "no more faults are injected. Run it again"
                ) from None
            assert self.process.stdin is not None
            self.process.stdin.close()
            self._start()
            assert self.process.stdout is not None
            self.process.stdout.close()  # no waiting here: the timeline goes on
            self._say(RENEW)

    def _killed(self) -> bool:
        """Whether a watchdog that has closed its end of the pipe was killed (rather than healing, or ended on its
        own).
        """
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)  # a killed process closes its files a moment before it can be waited for
        return self.process.returncode is not None and self.process.returncode < 0

    def rest(self) -> None:
        with suppress(BrokenPipeError):
            self._say(REST)

    def settle(self) -> None:
        """Return when the watchdog is not healing."""
        try:
            self._say(REST)
        except BrokenPipeError:
            self.process.wait()


def main() -> None:
    log, *command = sys.argv[1:]
    pipe = sys.stdin.fileno()
    control_group.step_out()
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())  # closing this end of the pipe signals readiness
    if why := given_up(pipe):
        os.close(pipe)  # before the heal: a harness that wakes up now finds out at once
        crash.complain(f"chaos: the harness {why}; clearing up in its place")
        _speak_to(log)  # readers of the harness's output do not wait for the watchdog
        stack_lock.take_over()
        sys.exit(_insist(command))


def _speak_to(log: str) -> None:
    for place in (log, os.devnull):
        with suppress(OSError):
            out = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
            for number in (1, 2):
                os.dup2(out, number)
            os.close(out)
            return


def _insist(command: Sequence[str]) -> int:
    """Run `command` until it exits with 0; returns its last exit code."""
    code = 0

    def done() -> bool:
        nonlocal code
        crash.complain(f"{datetime.now(UTC).isoformat(timespec='seconds')} {' '.join(command)}")
        code = _once(command)
        crash.complain(f"{datetime.now(UTC).isoformat(timespec='seconds')} exit {code}")
        return code == 0

    try:
        block_until(done, GIVES_UP, PAUSES[0], slower=(2.0, PAUSES[1]))
    except TimeoutError:
        crash.complain(f"given up after {GIVES_UP:.0f} s; `chaos heal` clears up, and so does the next start")
    return code


def _once(command: Sequence[str]) -> int:
    with open(os.devnull, "rb") as nothing:
        try:
            return subprocess.run(command, stdin=nothing, check=False, close_fds=False, timeout=TRY).returncode
        except subprocess.TimeoutExpired:
            crash.complain(f"ended: it took more than {TRY:.0f} s")
        except OSError as e:
            crash.complain(f"{e.filename}: {e.strerror}")
    return 1


def given_up(pipe: int) -> str:
    """Why the harness is considered gone; empty once it has sent DONE."""
    missed, leased = 0, False
    while missed < LEASE:
        if not select.select([pipe], [], [], EVERY if leased else None)[0]:
            missed += 1
            continue
        said = os.read(pipe, 1 << 16)
        if not said:
            return "died"
        if said.endswith(DONE):
            return ""
        missed, leased = 0, said.endswith(RENEW)
    return f"did not respond for {LEASE} s"


if __name__ == "__main__":
    try:
        with crash.caught():
            main()
    except ChaosError as e:
        sys.exit(crash.ended(e))
