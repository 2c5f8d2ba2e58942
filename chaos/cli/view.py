"""The live view on a terminal: a run's files, followed and drawn a few times a second.

Beside `chaos run` a process of its own draws it (`python -m chaos.cli.view RUN`): in ours, drawing would hold up the
loop that injects. It ends when its stdin does, so that a harness that was killed leaves no terminal in disorder.
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

    from chaos.live.follow import Follow

EVERY = 0.25  # seconds between two pictures
SHARE = 0.04  # of one core that drawing may take: a slow terminal or a huge stack is drawn less often
NICE = 5  # whatever a run does comes first
PATIENCE = 5.0  # seconds for the last picture
NOTE, SAY = "note ", "say "  # how a line to the drawing process begins


def wanted(stream: TextIO, plain: bool) -> bool:
    """Whether `stream` is a terminal that a picture can be drawn on, and nobody asked for plain lines."""
    return (
        not plain
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    )


def draw(follow: Follow, console: Console, screen: Callable[[list[object]], None]) -> float:
    """One picture. Seconds to wait until the next one, so that drawing stays cheap."""
    from chaos.live.screen import Moment, render

    began = time.thread_time()
    follow.look()
    now = time.time()
    lines = render(follow.live, Moment(follow.now(now), follow.since(now)), *console.size)
    screen(list(lines))
    return max(EVERY, (time.thread_time() - began) / SHARE)


@contextlib.contextmanager
def screened(stream: TextIO) -> Iterator[tuple[Console, Callable[[list[object]], None]]]:
    """The terminal's other screen while the block lasts, so that a resize leaves no rubbish behind."""
    from rich.console import Console, Group
    from rich.live import Live

    console = Console(file=stream)
    with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        yield console, lambda lines: live.update(Group(*lines), refresh=True)  # type: ignore[arg-type]


class Aside(io.StringIO):
    """Stands in for stderr while the picture is up: keeps whole lines, and hands each to `tell`."""

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
    """The view of a run beside `chaos run`.

    What is said to stderr meanwhile is shown in it, and said again when it is gone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pipe = -1

    def note(self, text: str) -> None:
        """What the target is busy with."""
        self._send(NOTE + text)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        terminal, aside = sys.stderr, Aside(lambda line: self._send(SAY + line))
        command = [sys.executable, "-m", "chaos.cli.view", str(self._folder)]
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
        """One that draws no more, or is held up by its terminal, misses it."""
        if self._pipe >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._pipe, line.replace("\n", " ").encode() + b"\n")


def _ended(drawing: subprocess.Popen[bytes], wrong: IO[bytes]) -> list[str]:
    """Wait for the last picture. What to say of one that failed: the run went on without it."""
    try:
        code = drawing.wait(PATIENCE)
    except subprocess.TimeoutExpired:  # a terminal that takes nothing (Ctrl-S)
        drawing.kill()
        code = drawing.wait()
    if code == 0:
        return []
    wrong.seek(0)
    said = wrong.read().decode(errors="replace").splitlines()
    return [f"the live view failed (exit {code}), the run did not:", *said]


def main(folder: Path) -> None:
    """Draw until stdin ends. Ctrl-C is for the run; when that is over, so are we."""
    from chaos.live.follow import Follow

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w")
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
