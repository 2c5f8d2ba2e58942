"""Halt and resume: who runs is known by pid and start, who is halted does not begin, and nobody else is signalled."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chaos import halt
from chaos.errors import ChaosError, Halted
from chaos.halt import Running
from chaos.targets import census
from tests.unit.test_cli import ROOT, call

SAYS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print('ready', flush=True)
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own: nobody else's runs are seen or stopped."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CHAOS_BOX_KIND", raising=False)
    monkeypatch.chdir(ROOT)
    return tmp_path / "chaos"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    """A process that ends with 7 on SIGTERM."""
    with subprocess.Popen([sys.executable, "-c", SAYS + "time.sleep(60)"], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        yield child
        child.kill()


def registered(state: Path, pid: int, started: int = 0, boot: str = "") -> Running:
    """A run of that pid, of its true start and boot unless others are given."""
    proc = census.read(pid)
    assert proc is not None
    run = Running(pid, started or proc.started, boot or halt._boot(), "node-kill, seed 7", "2026-11-21", "/somewhere")
    (state / "runs").mkdir(parents=True, exist_ok=True)
    (state / "runs" / f"{pid}-{run.started}.json").write_bytes(msgspec.json.encode(run))
    return run


def test_a_run_is_registered_while_it_lasts(state: Path) -> None:
    """By what it is, where it was started, pid and start; gone when it ends, however it ends."""
    with pytest.raises(KeyError), halt.admitted("node-kill, seed 7"):
        (run,) = halt.running()
        assert (run.pid, run.what, run.folder) == (os.getpid(), "node-kill, seed 7", str(ROOT))
        raise KeyError
    assert halt.running() == [] and list((state / "runs").iterdir()) == []


def test_a_halted_user_begins_nothing_until_resume(state: Path) -> None:
    """Who, when and why are said; nothing stays registered; after resume all is as before."""
    halt.halt("audit")
    says = r"halted by \S+ on \S+ at 20.*: audit; no run begins until `chaos resume`"
    with pytest.raises(Halted, match=says) as e, halt.admitted("x"):
        raise AssertionError("it began")
    assert e.value.exit_code == 75
    assert halt.running() == []
    found = halt.resume()
    assert found is not None and found.why == "audit"
    with halt.admitted("x"):
        assert len(halt.running()) == 1
    assert halt.resume() is None


def test_a_halt_that_comes_between_registering_and_asking_is_met(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run registers first, a halt is written first: one of the two always sees the other."""
    real = halt._register

    def register(what: str) -> Path | None:
        place = real(what)
        assert halt.halt("now") and [run.pid for run in halt.running()] == [os.getpid()]
        return place

    monkeypatch.setattr(halt, "_register", register)
    with pytest.raises(Halted), halt.admitted("x"):
        raise AssertionError("it began")


@pytest.mark.parametrize("content", [b"", b"{", b'{"who": 3}'])
def test_a_halt_that_cannot_be_read_halts(state: Path, content: bytes) -> None:
    """Written by a newer version, or torn: the brake fails closed, and resume takes it off."""
    halt.halt("")
    (state / "halt.json").write_bytes(content)
    with pytest.raises(Halted, match="cannot be read"), halt.admitted("x"):
        raise AssertionError("it began")
    halt.resume()
    assert halt.halted() is None


def test_inside_a_box_nobody_registers_or_asks(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pids are others there; whoever made the box is registered and passes signals on."""
    halt.halt("")
    monkeypatch.setenv("CHAOS_BOX_KIND", "box")
    with halt.admitted("x"):
        assert not (state / "runs").exists()


def test_a_run_that_cannot_register_says_so_and_begins(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user without a home that can be written to; a halt there is an error in words."""
    state.write_text("a file where the folder would be")
    with halt.admitted("x"):
        assert "`chaos halt` will not reach this run" in capsys.readouterr().err
    with pytest.raises(ChaosError, match="nothing was halted; set XDG_STATE_HOME"):
        halt.halt("")


@pytest.mark.parametrize(("home", "wanted"), [("/there", "/there/chaos"), ("rel", "/h/.local/state/chaos")])
def test_the_state_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, home: str, wanted: str) -> None:
    """XDG_STATE_HOME where it is absolute, else ~/.local/state: not the folder that a command is called in."""
    monkeypatch.setenv("XDG_STATE_HOME", home)
    monkeypatch.setenv("HOME", "/h")
    assert halt.state() == Path(wanted)


@pytest.mark.parametrize("stopped", [False, True])
def test_halt_ends_every_run_and_waits_for_it(
    state: Path, sleeper: subprocess.Popen[str], stopped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """By SIGTERM, also one that somebody stopped with SIGSTOP; wherever it was started."""
    registered(state, sleeper.pid)
    if stopped:
        os.kill(sleeper.pid, 19)
    assert call("halt", "--why", "audit") == 0
    said = capsys.readouterr().out
    assert "ending: node-kill, seed 7, since 2026-11-21" in said and "in /somewhere" in said
    assert "no run is left" in said
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


def test_a_run_that_does_not_end_is_named_and_exits_2(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do; the halt stays."""
    deaf = SAYS.replace("sys.exit(7)", "None") + "[time.sleep(60) for _ in range(3)]"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        registered(state, child.pid)
        assert call("halt", "--within", "0.3") == 2
        assert f"`kill -KILL {child.pid}`" in capsys.readouterr().err
        child.kill()
    assert halt.halted() is not None


def test_a_run_of_the_command_line_is_refused_with_75_before_anything_is_touched(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No run's folder, no box; then resume says whose halt it was."""
    assert call("halt", "--why", "audit") == 0
    runs = tmp_path / "runs"
    assert call("run", "node-kill", "--target", "process", "--without", "promql", "--runs", str(runs)) == 75
    assert "audit; no run begins until `chaos resume`" in capsys.readouterr().err
    assert not runs.exists()
    assert call("resume") == 0
    assert ": audit" in capsys.readouterr().out
    assert call("resume") == 0
    assert "nothing was halted" in capsys.readouterr().out


def test_status_and_doctor_show_the_halt_and_who_runs(
    state: Path, sleeper: subprocess.Popen[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Also where no stack stands."""
    run = registered(state, sleeper.pid)
    halt.halt("audit")
    alone = tmp_path / "docker-compose.yml"
    alone.write_text((ROOT / "docker-compose.yml").read_text())
    assert call("status", "--target", "process", "--stack", str(alone)) == 0
    said = capsys.readouterr().out
    assert ": audit; `chaos resume` lets runs begin" in said and f"running: {run.words}" in said
    call("doctor")
    said = capsys.readouterr().out
    assert "no   (for now) runs may begin: halted by" in said and "→ chaos resume" in said
