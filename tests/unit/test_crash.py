"""What nobody expected: one line, exit code 2, and a traceback in a file."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

import chaos.cli.listing
from chaos import crash
from chaos.cli import main
from chaos.errors import BadExperiment, ChaosError, Crash
from tests.messages import Says


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "chaos" / "tracebacks"


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command inside which that happens."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(chaos.cli.listing, "_experiments", fail)
    with pytest.raises(SystemExit) as e:
        main(["list"])
    return int(e.value.code or 0)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("odd\nvalue \x1b[31m"), KeyError(), ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
        PermissionError(13, "Permission denied", "x"), BrokenPipeError(32, "Broken pipe"), asyncio.CancelledError(),
        ConnectionResetError(), RecursionError(), MemoryError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        ValueError("\ud800"),
    ],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
def test_what_nobody_expected_is_one_line_and_exit_code_2(
    error: BaseException, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the file that has the traceback."""
    assert failing(error, monkeypatch) == 2
    said = capsys.readouterr().err
    (file,) = home.iterdir()
    assert said.count("\n") == 1 and str(file) in said
    assert "Traceback (most recent call last)" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (SystemExit(75), 75), (BadExperiment("x"), 64)]
)
def test_what_is_meant_to_end_a_command_keeps_its_code(
    error: BaseException, code: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves no traceback."""
    assert failing(error, monkeypatch) == code
    assert not home.exists()


@pytest.mark.parametrize("state", ["/proc/nowhere", "file"])
def test_a_state_folder_that_cannot_be_written_is_no_second_traceback(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says so."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / state))
    assert failing(TypeError("odd"), monkeypatch) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_traceback_of_a_run_is_in_its_folder(tmp_path: Path, home: Path, says: Says) -> None:
    """Below the state folder where that cannot be written; what was caught once is not caught twice."""
    with pytest.raises(Crash) as e, crash.caught(), crash.caught(tmp_path / "run"):
        raise TypeError("odd")
    (file,) = (tmp_path / "run").iterdir()
    assert not home.exists()
    says(re.sub(r"py:\d+", "py:<line>", str(e.value)), file=file.name)
    (tmp_path / "file").touch()
    with pytest.raises(Crash, match=str(home)), crash.caught(tmp_path / "file"):
        raise TypeError("odd")


def test_only_the_last_tracebacks_are_kept(home: Path) -> None:
    """Somebody who calls a broken command in a loop fills no disk."""
    home.mkdir(parents=True)
    for n in range(crash.KEPT + 5):
        (home / f"traceback-20200101T0000{n:02}Z-1.txt").touch()
    with pytest.raises(ChaosError), crash.caught():
        raise TypeError
    assert len(list(home.iterdir())) == crash.KEPT
    assert any(str(os.getpid()) in file.name for file in home.iterdir())
