"""`chaos halt` and runs that are processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.run import halt
from tests.messages import Says, lines
from tests.unit.cli.test_commands import ROOT, call
from tests.unit.run.test_halt import registered

SAYS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print('ready', flush=True)
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own: nobody else's runs are seen or stopped."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CHAOS_BOX", raising=False)
    monkeypatch.chdir(ROOT)
    return tmp_path / "chaos"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    """A process that ends with 7 on SIGTERM."""
    with subprocess.Popen([sys.executable, "-c", SAYS + "time.sleep(60)"], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        yield child
        child.kill()


def halted() -> halt.Halt:
    found = halt.halted()
    assert found is not None
    return found


@pytest.mark.parametrize("stopped", [False, True])
def test_halt_ends_every_run_and_waits_for_it(
    state: Path, sleeper: subprocess.Popen[str], stopped: bool, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """By SIGTERM, also one that somebody stopped with SIGSTOP; wherever it was started."""
    registered(state, sleeper.pid)
    if stopped:
        os.kill(sleeper.pid, 19)
    assert call("halt", "--why", "audit") == 0
    said = capsys.readouterr().out
    says(said, who=halted().who, when=halted().when, pid=sleeper.pid)
    assert sleeper.wait(10) == 7


@pytest.mark.parametrize("other", [{"started": 12345}, {"boot": "another"}])
def test_a_recycled_pid_is_never_signalled(
    state: Path, sleeper: subprocess.Popen[str], other: dict[str, object]
) -> None:
    """The pid of a run that ended, given to somebody else, in this boot or a later one; its file is swept up."""
    run = registered(state, sleeper.pid, **other)  # type: ignore[arg-type]
    halt.end(run)
    assert call("halt") == 0
    time.sleep(0.2)
    assert sleeper.poll() is None
    assert list((state / "runs").iterdir()) == []


def test_a_run_that_does_not_end_is_named_and_exits_2(
    state: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """With what to do; the halt stays."""
    deaf = SAYS.replace("sys.exit(7)", "None") + "[time.sleep(60) for _ in range(3)]"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        registered(state, child.pid)
        assert call("halt", "--within", "0.3") == 2
        says(capsys.readouterr().err, pid=child.pid)
        child.kill()
    assert halt.halted() is not None


def test_status_and_doctor_show_the_halt_and_who_runs(
    state: Path, sleeper: subprocess.Popen[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, says: Says
) -> None:
    """Also where no stack stands."""
    run = registered(state, sleeper.pid)
    halt.halt("audit")
    alone = tmp_path / "docker-compose.yml"
    alone.write_text((ROOT / "docker-compose.yml").read_text())
    assert call("status", "--target", "process", "--stack", str(alone)) == 0
    said = capsys.readouterr().out
    says(lines(said, "halted by"), who=halted().who, when=halted().when)
    assert f"running: {run.words}" in said
    call("doctor")
    says(lines(capsys.readouterr().out, "runs may start"), who=halted().who, when=halted().when)
