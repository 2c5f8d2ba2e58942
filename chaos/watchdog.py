"""Outlives the harness by one command: run when it dies without a word or stands still, so that nothing stays broken.

Started in a session of its own with a pipe for standard input, on which the harness says one byte at a time: RENEW
every second while it may break things, REST when it will not for a while, DONE before it ends in good order. If the
pipe closes without that, the harness was killed; if LEASE looks a second apart find no renewal, it hangs or was stopped
(SIGSTOP). Either way the command given as arguments is run.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Self

from chaos.errors import LeaseLost

RENEW, REST, DONE = b"+", b"-", b"."
# Looks, not seconds by a clock: when a machine wakes up both sides find a clock that has jumped, and only one look was
# missed. Ten, because a renewal waits behind the journal's fsync, which takes seconds on a disk that is busy, while a
# fault that outlasts its time by ten seconds lasts about as long as one that is slow to heal in good order.
LEASE = 10
EVERY = 1.0  # seconds


class Watchdog:
    """`with Watchdog(command):` the command runs unless the block is left, however it is left.

    `env` and `pass_fds` are for the command.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, pass_fds: Collection[int] = ()
    ) -> None:
        self._command, self._env, self._fds = command, env, pass_fds
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.watchdog", *self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env=self._env,
            pass_fds=self._fds,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)  # a watchdog that was stopped must not stop us

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGCONT)
        os.set_blocking(self._pipe, True)  # this word must not be lost
        with suppress(BrokenPipeError):  # somebody killed the watchdog; we are ending in good order anyway
            os.write(self._pipe, DONE)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _say(self, word: bytes) -> None:
        with suppress(BlockingIOError):  # full: a watchdog that was stopped will find renewals enough
            os.write(self._pipe, word)

    def renew(self) -> None:
        """Raises LeaseLost when the watchdog has given us up. One that was killed is replaced."""
        try:
            self._say(RENEW)
        except BrokenPipeError:
            if not self._killed():
                raise LeaseLost(
                    "the harness stood still for so long that its watchdog healed in its place; "
                    "nothing more is broken. Run it again"
                ) from None
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._start()
            self._say(RENEW)

    def _killed(self) -> bool:
        """Whether a watchdog whose end of the pipe is closed was killed; one that heals is there, or ended itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # a process that was killed closes its files a moment before it can be waited for
        return self._process.returncode is not None and self._process.returncode < 0

    def rest(self) -> None:
        with suppress(BrokenPipeError):
            self._say(REST)

    def settle(self) -> None:
        """Returns when the watchdog is not healing (any more)."""
        try:
            self._say(REST)
        except BrokenPipeError:
            self._process.wait()


def main() -> None:
    pipe = sys.stdin.fileno()
    if why := _given_up(pipe):
        os.close(pipe)  # before anything is healed: a harness that wakes up now finds out at once
        print(f"chaos: the harness {why}; running {' '.join(sys.argv[1:])}", file=sys.stderr)
        with open(os.devnull, "rb") as nothing:
            sys.exit(subprocess.run(sys.argv[1:], stdin=nothing, check=False, close_fds=False).returncode)


def _given_up(pipe: int) -> str:
    """Why the harness is given up, empty once it says that it is done."""
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
    return f"did not stir for {LEASE} s"


if __name__ == "__main__":
    main()
