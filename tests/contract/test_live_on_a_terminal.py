"""The live view on a pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chaos.model import Event
from chaos.observe.live.progress import Progress
from tests.messages import Says, lines
from tests.unit.histories import plan
from tests.unit.observe.test_live import write


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "x" / "20260101T000000Z-s1"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan()))
    write(folder, [Event(0.0, "run.start", "x"), Event(1.0, "phase", "up")])
    return folder


@contextlib.contextmanager
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """A real one as stderr; called, what was yielded gives what was written to it."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with open(theirs, "w") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        yield lambda: _read(ours)
    os.close(ours)


def _read(fd: int) -> str:
    found = b""
    while select.select([fd], [], [], 0)[0]:
        found += os.read(fd, 65536)
    return found.decode().replace("\r\n", "\n")


def test_what_is_said_beside_the_picture_is_said_again_after_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal's other screen is gone when the run ends: words to stderr and the events of the run must not be."""
    progress = Progress(run)
    with on_a_terminal(monkeypatch) as written:
        with progress.watching():
            progress.note("building an image")
            print("interrupted: healing and ending", file=sys.stderr)
            progress.tell(Event(1.0, "phase", "steady"))
        said = written()
    before, _, after = said.rpartition("\x1b[?1049l")
    assert "\x1b[?1049h" in before and "building an image" in before and "building" not in after
    assert "interrupted: healing and ending" in before
    assert "interrupted: healing and ending\n" in after and "phase steady\n" in after


def test_a_picture_that_fails_does_not_fail_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    """It is given up, and said when the run is over, with the reason."""
    with on_a_terminal(monkeypatch) as written:
        with Progress(tmp_path / "gone").watching():
            pass
        said = written()
    says(lines(said, "the live view failed"))
    assert "plan.json" in said
