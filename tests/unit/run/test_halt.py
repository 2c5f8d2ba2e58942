"""Halt and resume: who runs is known by pid and start, who is halted does not begin, and nobody else is signalled."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from chaos import crash
from chaos.errors import ChaosError, Halted
from chaos.run import halt
from chaos.run.halt import Running
from chaos.targets import procfs
from chaos.targets.box import box
from tests.messages import Says
from tests.unit.cli.test_commands import ROOT, call


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own: nobody else's runs are seen or stopped."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CHAOS_BOX", raising=False)
    monkeypatch.chdir(ROOT)
    return tmp_path / "chaos"


def registered(state: Path, pid: int, started: int = 0, boot: str = "") -> Running:
    """A run of that pid, of its true start and boot unless others are given."""
    proc = procfs.read(pid)
    assert proc is not None
    run = Running(pid, started or proc.started, boot or procfs.boot(), "node-kill, seed 7", "2026-11-21", "/somewhere")
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


def halted() -> halt.Halt:
    found = halt.halted()
    assert found is not None
    return found


def test_a_halted_user_begins_nothing_until_resume(state: Path, says: Says) -> None:
    """Who, when and why are said; nothing stays registered; after resume all is as before."""
    halt.halt("audit")
    found = halted()
    assert found.who and found.when.startswith("20") and found.why == "audit"
    with says.raises(Halted, who=found.who, when=found.when) as e, halt.admitted("x"):
        raise AssertionError("it began")
    assert e.value.exit_code == 75
    assert halt.running() == []
    ended = halt.resume()
    assert ended is not None and ended.why == "audit"
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
def test_a_halt_that_cannot_be_read_halts(state: Path, content: bytes, says: Says) -> None:
    """Written by a newer version, or torn: the brake fails closed, and resume takes it off."""
    halt.halt("")
    (state / "halt.json").write_bytes(content)
    with says.raises(Halted), halt.admitted("x"):
        raise AssertionError("it began")
    halt.resume()
    assert halt.halted() is None


def test_a_variable_alone_is_no_box(state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who sets it by hand is halted like anybody else; tests/contract has what holds in a real one."""
    halt.halt("")
    for name, value in {"CHAOS_BOX": str(tmp_path), "CHAOS_BOX_CONTROL": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Halted), halt.admitted("x"):
        raise AssertionError("it began")
    assert not box.inside() and list((state / "runs").iterdir()) == []


def test_a_run_that_cannot_register_says_so_and_begins(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """A user without a home that can be written to; a halt there is an error in words."""
    state.write_text("a file where the folder would be")
    with halt.admitted("x"):
        says(capsys.readouterr().err)
    with says.raises(ChaosError):
        halt.halt("")


@pytest.mark.parametrize(("home", "wanted"), [("/there", "/there/chaos"), ("rel", "/h/.local/state/chaos")])
def test_the_state_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, home: str, wanted: str) -> None:
    """XDG_STATE_HOME where it is absolute, else ~/.local/state: not the folder that a command is called in."""
    monkeypatch.setenv("XDG_STATE_HOME", home)
    monkeypatch.setenv("HOME", "/h")
    assert crash.state() == Path(wanted)


def test_a_run_of_the_command_line_is_refused_with_75_before_anything_is_touched(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """No run's folder, no box; then resume says whose halt it was."""
    assert call("halt", "--why", "audit") == 0
    runs = tmp_path / "runs"
    assert call("run", "node-kill", "--target", "process", "--without", "promql", "--runs", str(runs)) == 75
    found = halted()
    says(capsys.readouterr().err, who=found.who, when=found.when)
    assert not runs.exists()
    for _ in range(2):
        assert call("resume") == 0
        says(capsys.readouterr().out, who=found.who, when=found.when)
