"""The live view on a terminal: follows a run's files and draws them a few times a second.

During `chaos run` a separate process draws it (`python -m chaos.observe.live.view RUN`), because drawing in the harness
would delay the loop that injects faults. It ends when its stdin is closed, so that a killed harness leaves the terminal
in order.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from chaos.observe.live.follow import Follow

EVERY = 0.25  # seconds between two frames
SHARE = 0.04  # of one core that drawing may use: slow terminals and large stacks are drawn less often
NICE = 5  # the run has priority
PATIENCE = 5.0  # seconds to wait for the last frame
NOTE, SAY = "note ", "say "  # prefixes of lines to the drawing process


def wanted(stream: TextIO, plain: bool) -> bool:
    """Whether `stream` is a terminal that supports the view, and plain output was not requested."""
    return (
        not plain
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    )


def draw(follow: Follow, console: Console, screen: Callable[[list[object]], None]) -> float:
    """Draw one frame. Returns seconds until the next one, chosen so that drawing stays cheap."""
    from chaos.observe.live.screen import Moment, render

    began = time.thread_time()
    follow.look()
    now = time.time()
    lines = render(follow.live, Moment(follow.now(now), follow.since(now)), *console.size)
    screen(list(lines))
    return max(EVERY, (time.thread_time() - began) / SHARE)


@contextlib.contextmanager
def screened(stream: TextIO) -> Iterator[tuple[Console, Callable[[list[object]], None]]]:
    """Use the terminal's alternate screen while the block lasts, so that resizing leaves no remains."""
    from rich.console import Group
    from rich.live import Live

    from chaos.report.sheet import SafeConsole

    console = SafeConsole(file=stream)
    with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        yield console, lambda lines: live.update(Group(*lines), refresh=True)  # type: ignore[arg-type]


class Aside(io.StringIO):
    """Replaces stderr while the view is shown: buffers until a line is complete, then passes it to `tell`."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell, self._torn = tell, ""
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        *lines, self._torn = (self._torn + text).split("\n")
        for line in lines:
            self.lines.append(line)
            self._tell(line)
        return len(text)


class View:
    """The view of a run during `chaos run`.

    Output to stderr is shown in it, and printed again when the view has closed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pipe = -1

    def note(self, text: str) -> None:
        """Show what the target is busy with."""
        self._send(NOTE + text)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        terminal, aside = sys.stderr, Aside(lambda line: self._send(SAY + line))
        command = [sys.executable, "-m", "chaos.observe.live.view", str(self._folder)]
        theirs, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        with tempfile.TemporaryFile() as wrong:
            terminal.flush()
            drawing = subprocess.Popen(command, stdin=theirs, stdout=terminal.fileno(), stderr=wrong)
            os.close(theirs)
            try:
                with contextlib.redirect_stderr(aside):
                    yield
            finally:
                pipe, self._pipe = self._pipe, -1
                os.close(pipe)
                for line in [*_ended(drawing, wrong), *aside.lines]:
                    print(line, file=terminal, flush=True)

    def _send(self, line: str) -> None:
        """Send a line. A drawing process that has ended, or is blocked by its terminal, misses it."""
        if self._pipe >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._pipe, line.replace("\n", " ").encode() + b"\n")


def _ended(drawing: subprocess.Popen[bytes], wrong: IO[bytes]) -> list[str]:
    """Wait for the last frame. Returns lines that report a failed view; the run is not affected."""
    try:
        code = drawing.wait(PATIENCE)
    except subprocess.TimeoutExpired:  # a blocked terminal (Ctrl-S)
        drawing.kill()
        code = drawing.wait()
    if code == 0:
        return []
    wrong.seek(0)
    said = wrong.read().decode(errors="replace").splitlines()
    return [f"the live view failed (exit {code}), the run did not:", *said]


def main(folder: Path) -> None:
    """Draw until stdin ends. Ctrl-C is handled by the run; the view ends after it."""
    from chaos.observe.live.follow import Follow

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    with contextlib.closing(Follow(folder)) as follow, screened(terminal) as (console, screen):
        torn, over = b"", False
        while not over:
            pause = draw(follow, console, screen)
            while not over and select.select([0], [], [], pause)[0]:
                more = os.read(0, 65536)
                *lines, torn = (torn + more).split(b"\n")
                for line in lines:
                    _hear(follow, line.decode(errors="replace"))
                over, pause = not more, 0.0
        draw(follow, console, screen)


def _hear(follow: Follow, line: str) -> None:
    if line.startswith(NOTE):
        follow.live.note = line.removeprefix(NOTE)
    else:
        follow.live.say(line.removeprefix(SAY))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
