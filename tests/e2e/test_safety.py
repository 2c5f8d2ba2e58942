"""The brakes on a real stack: halt from another folder."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from chaos.record.journal import Journal
from tests.e2e.stage import CHAOS, Started, nothing_left, processes_of

RUN = ("run", "node-kill", "--short", "--without", "promql", "--metrics-port", "0", "--target")
PROCESS = pytest.param("process", marks=pytest.mark.box)
COMPOSE = pytest.param("compose", marks=pytest.mark.engine)


def chaos(*args: str, state: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"XDG_STATE_HOME": str(state), "PYTHONPATH": os.getcwd()}
    return subprocess.run([*CHAOS, *args], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)


def gone(state: Path, seconds: float = 20.0) -> list[str]:
    """Processes that were started with this state folder and are left after `seconds`."""
    end = time.monotonic() + seconds
    while (left := processes_of(str(state))) and time.monotonic() < end:
        time.sleep(0.1)
    return left


@pytest.mark.parametrize("target", [PROCESS, COMPOSE])
def test_halt_from_another_folder_heals_and_ends_a_run_and_lets_none_begin(tmp_path: Path, target: str) -> None:
    """In the middle of a fault: the run ends with 130, healed, nothing left; the next one with 75, until resume."""
    state = tmp_path / "state"
    started = Started(tmp_path / "one", *RUN, target, env={"XDG_STATE_HOME": str(state)})
    started.wait_for(" active on ")
    halted = chaos("halt", "--why", "audit", state=state, cwd=tmp_path)
    assert halted.returncode == 0, halted.stdout + halted.stderr
    assert f"ending: node-kill, seed 7, target {target}" in halted.stdout and "no run is active" in halted.stdout
    done = started.done(20 if target == "process" else 60)
    assert done.code == 130 and ": audit" in done.err, done.err
    journal = Journal.load(done.run)
    assert [e.data["status"] for _, e in journal.of("run.end")] == ["interrupted"]
    assert len(list(journal.of("fault.heal"))) == len(list(journal.of("fault.active"))) == 1
    assert gone(state) == [], "the box and everybody in it went with the run"
    assert nothing_left(target, tmp_path / "one") == []
    refused = Started(tmp_path / "two", *RUN, target, env={"XDG_STATE_HOME": str(state)}).done(60)
    assert refused.code == 75 and "audit" in refused.err
    assert not list((tmp_path / "two").glob("*/*/plan.json"))
    assert chaos("resume", state=state, cwd=tmp_path).returncode == 0
    assert "halted" not in chaos("status", "--target", target, state=state, cwd=tmp_path).stdout
