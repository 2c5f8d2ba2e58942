"""node-kill, and ways a run can be ended: Ctrl-C twice, SIGKILL. Nothing stays behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from chaos.record.journal import Journal
from tests.e2e.panels import Prober, queries, unanswered
from tests.e2e.stage import MARK, Done, Started, nothing_left, play, processes_of

PROCESS = pytest.param("process", marks=pytest.mark.box)
COMPOSE = pytest.param("compose", marks=pytest.mark.engine)
RUN = ("run", "node-kill", "--short", "--posture", "as-was", "--without", "promql", "--target")


@pytest.mark.engine
def test_any_one_node_dies_and_hardly_anybody_notices(tmp_path: Path) -> None:
    """Prometheus' answers stand in the journal, the check is judged by them, and no dashboard's panel stays empty."""
    with Prober(queries()) as prober:
        done = play(tmp_path, "run", "node-kill", "--short", "--target", "compose", "--seed", "11")
    assert unanswered(prober) == []
    assert done.code == 0, done.out + done.err
    samples = [e for _, e in Journal.load(done.run).of("probe.sample") if "value" in e.data]
    assert len(samples) > 10
    assert done.verdict_of("promql")["verdict"] == "PASS"
    assert nothing_left("compose", tmp_path) == []


@pytest.mark.box
def test_an_interrupted_run_heals_ends_and_keeps_its_journal(tmp_path: Path) -> None:
    """In the middle of a fault: exit 130, said in words, the journal whole, nothing left running.

    Once, and SIGTERM: tests/unit/run/test_orchestrator.py on virtual time, tests/e2e/test_killmatrix.py on real
    targets, and a run under compose is ended midway in tests/e2e/test_safety.py.
    """
    started = begun(tmp_path, "process")
    for _ in range(2):
        started.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    done = started.done(60)
    assert done.code == 130, done.err
    assert "interrupted" in done.err
    journal = Journal.load(done.run)
    assert [e.data["status"] for _, e in journal.of("run.end")] == ["interrupted"]
    assert len(list(journal.of("fault.heal"))) == len(list(journal.of("fault.active"))) == 1
    assert done.findings["verdict"] == "INCONCLUSIVE"
    assert nothing_left("process", tmp_path) == []


@pytest.mark.parametrize("target", [PROCESS, COMPOSE])
def test_a_killed_harness_leaves_nothing_running_and_a_journal_that_can_be_read(tmp_path: Path, target: str) -> None:
    """SIGKILL in the middle of a fault: the kernel empties the box, the watchdog ends the containers."""
    started = begun(tmp_path, target)
    started.process.kill()
    done: Done = started.done(10)
    assert done.code == -signal.SIGKILL
    assert nothing_left(target, tmp_path, 60) == []
    journal = Journal.load(done.run)
    assert list(journal.of("fault.active")) and not list(journal.of("run.end"))
    judged = play(tmp_path / "judged", "check", str(done.run))
    assert judged.code == 3, "a run that nobody ended is no PASS, and what users met of its end convicts nobody"
    assert "the run was interrupted" in judged.out


def begun(tmp_path: Path, target: str) -> Started:
    """A run in the middle of its fault. The PromQL check needs a Prometheus within reach."""
    started = Started(tmp_path, *RUN, target)
    started.wait_for(" active on ")
    assert processes_of(f"{MARK}={tmp_path}"), "or nobody would be seen afterwards"
    return started
