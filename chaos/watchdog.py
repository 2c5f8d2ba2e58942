"""Outlives the harness by one command: run when it dies without a word, so that no stack is left running or broken.

Started in a session of its own with a pipe for standard input. The harness writes `done` before it ends in good
order; if the pipe closes without that, it was killed, and the command given as arguments is run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Self


class Watchdog:
    """`with Watchdog(command):` the command runs unless the block is left, however it is left."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.watchdog", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"done\n")
            self._process.stdin.close()
        except BrokenPipeError:  # somebody killed the watchdog; we are ending in good order anyway
            pass
        self._process.wait()


def main() -> None:
    if sys.stdin.buffer.read() == b"done\n":
        return
    print(f"chaos: the harness died; running {' '.join(sys.argv[1:])}", file=sys.stderr)
    with open(os.devnull, "rb") as nothing:
        sys.exit(subprocess.run(sys.argv[1:], stdin=nothing, check=False).returncode)


if __name__ == "__main__":
    main()
