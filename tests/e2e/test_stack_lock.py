"""Two commands on one stack: the second is refused and harms nobody; what a killed one leaves is found by the next."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.kills import proc
from benchmarks.kills.look import Containers, Look, look_at
from benchmarks.kills.rig import MARK, ROOT, Rig
from chaos.model import Verdict
from chaos.place import standing
from chaos.record.journal import Journal
from chaos.run import stack_lock

IN_USE = 75
PROCESS = pytest.param("process", marks=pytest.mark.box)
COMPOSE = pytest.param("compose", marks=pytest.mark.engine)


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    one = Rig(request.param, tmp_path, 8)
    try:
        yield one
    finally:
        proc.send(proc.marked(f"{MARK}={one.token}run"), signal.SIGKILL)
        one.down()


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not come true"
        time.sleep(0.02)


def await_fault(rig: Rig, started: subprocess.Popen[bytes]) -> None:
    """Returns in the middle of the fault."""
    until(lambda: started.poll() is not None or any(e["kind"] == "fault.active" for e in rig.journal()))
    assert started.poll() is None, rig.said()


@pytest.mark.parametrize("rig", [PROCESS, COMPOSE], indirect=True)
def test_a_second_command_on_a_stack_in_use_is_refused_and_the_first_goes_on(rig: Rig) -> None:
    """run, up, heal and down: each names who holds the stack and touches nothing; status looks on."""
    long = rig.folder / "experiments" / "pause.yaml"
    long.write_text(long.read_text().replace('"0.8s"', '"8s"'))
    started = rig.start("pause", "run1")
    await_fault(rig, started)
    state = rig.folder / standing.STATE
    found = stack_lock.holder(state, rig.target)
    assert found and found.pid == started.pid and found.run == str(next(rig.runs.glob("*/*")))
    second = ("run", str(long), "--runs", str(rig.folder / "second"))
    with ThreadPoolExecutor() as pool:
        refused = list(pool.map(lambda words: rig.command(*words), [second, ("up",), ("heal",), ("down",)]))
    for code, said in refused:
        assert code == IN_USE and str(started.pid) in said, said
    assert not (rig.folder / "second").exists()
    assert rig.command("status")[0] in (0, 4)
    assert started.wait(60) == 0, rig.said()
    journal = Journal.load(next(rig.runs.glob("*/*")))
    assert [e.data["status"] for _, e in journal.of("run.end")] == ["done"]
    assert [e.data["left"] for _, e in journal.of("residue")] == [[]]
    assert stack_lock.holder(state, rig.target) is None
    assert rig.command("down")[0] == 0


@pytest.mark.parametrize(
    ("rig", "word"),
    [
        pytest.param("process", "heal", marks=pytest.mark.box),
        pytest.param("compose", "heal", marks=pytest.mark.engine),
        pytest.param("compose", "up", marks=pytest.mark.engine),
    ],
    indirect=["rig"],
)
def test_what_a_run_leaves_that_was_killed_with_its_watchdog_is_cleared_up_next(rig: Rig, word: str) -> None:
    """Its own stack, with a fault in force: whoever comes next ends it and says whose it was. A box takes it along."""
    look = look_at(rig)
    try:
        started = rig.start("pause", "run1")
        await_fault(rig, started)
        ours = proc.marked(f"{MARK}={rig.token}run1.")
        proc.send(sorted(ours, key=lambda p: "watchdog" not in p.command), signal.SIGKILL)  # it first: it would begin
        started.wait(30)
        until(lambda: not proc.marked(f"{MARK}={rig.token}run1."))
        there = _there(look)
        assert bool(there) is (rig.target == "compose")
        if (
            isinstance(look, Containers) and word == "heal"
        ):  # without the record it may be what `chaos up` left on purpose
            record = rig.folder / standing.STATE / "compose.lock"
            record.rename(record.with_name("kept"))
            nodes = {c["Id"] for c in look.containers()}
            assert rig.command("heal")[0] == Verdict.DIRTY.exit_code
            assert {c["Id"] for c in look.containers()} == nodes
            record.with_name("kept").replace(record)
        code, said = rig.command(word)
        assert code == 0, said
        assert (str(started.pid) in said) is bool(there)
        assert rig.command("heal")[0] == 0
        if word == "heal":
            assert _there(look) == []
        assert rig.command("down")[0] == 0 and _there(look) == []
    finally:
        look.close()


@pytest.mark.parametrize("rig", [PROCESS, COMPOSE], indirect=True)
def test_down_overrules_a_watchdog_that_heals_in_vain(rig: Rig) -> None:
    """Every `chaos heal` of the watchdog fails: others are refused, and `chaos down` ends watchdog and stack."""
    shim = rig.folder / "shim"
    shim.mkdir()
    failing = 'import os, sys\nif sys.orig_argv[1:4] == ["-m", "chaos", "heal"]: os._exit(4)\n'
    (shim / "sitecustomize.py").write_text(failing, encoding="utf-8")
    rig.up()
    look = look_at(rig)
    try:
        started = rig.start("pause", "run1", {"PYTHONPATH": f"{shim}:{ROOT}"})
        await_fault(rig, started)
        run = [p for p in proc.marked(f"{MARK}={rig.token}run1.") if " -m chaos run " in p.command]
        proc.send(run, signal.SIGKILL)
        started.wait(30)
        log = next(rig.runs.glob("*/*/logs")) / "watchdog.log"
        until(lambda: log.exists() and "exit 4" in log.read_text(encoding="utf-8"))
        code, said = rig.command("heal")
        assert code == IN_USE and str(started.pid) not in said, said
        code, said = rig.command("down")
        assert code == 0, said
        until(lambda: not proc.marked(f"{MARK}={rig.token}run1."))
        assert _there(look) == []
    finally:
        look.close()


def _there(look: Look) -> list[str]:
    found = [p.command for p in look.node_processes()]
    if isinstance(look, Containers):
        found += [c["Id"] for c in (*look.containers(), *look.beside())]
    return found
