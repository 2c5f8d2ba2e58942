"""node-kill, and every way a run can be ended: Ctrl-C once and twice, SIGTERM, SIGKILL. Nothing stays behind."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from chaos.journal import Journal
from tests.e2e.panels import Prober, queries, unanswered
from tests.e2e.stage import Done, Started, nothing_left, play

PROCESS = pytest.param("process", marks=pytest.mark.box)
COMPOSE = pytest.param("compose", marks=pytest.mark.engine)


@pytest.mark.box
def test_any_one_node_dies_and_hardly_anybody_notices(tmp_path: Path) -> None:
    """Embedded; the PromQL check is left out here and the plan and the report say so."""
    done = play(tmp_path, "run", "node-kill", "--short", "--target", "process", "--without", "promql", "--seed", "11")
    assert done.code == 0, done.out + done.err
    assert "--without promql" in json.loads((done.run / "plan.json").read_text())["left_out"][0]
    assert "promql" in (done.run / "report.md").read_text()


@pytest.mark.engine
def test_prometheus_is_asked_under_compose(tmp_path: Path) -> None:
    """Its answers stand in the journal, the check is judged by them, and no panel of a dashboard stays empty."""
    with Prober(queries()) as prober:
        done = play(tmp_path, "run", "node-kill", "--short", "--target", "compose", "--seed", "11")
    assert unanswered(prober) == []
    assert done.code == 0, done.out + done.err
    samples = [e for _, e in Journal.load(done.run).of("probe.sample") if "value" in e.data]
    assert len(samples) > 10
    assert done.verdict_of("promql")["verdict"] == "PASS"
    assert nothing_left("compose") == []


@pytest.mark.parametrize(
    ("target", "signals"),
    [
        pytest.param("process", [signal.SIGINT, signal.SIGINT], marks=pytest.mark.box),
        pytest.param("compose", [signal.SIGINT, signal.SIGINT], marks=pytest.mark.engine),
    ],
)
def test_an_interrupted_run_heals_ends_and_keeps_its_journal(
    tmp_path: Path, target: str, signals: list[signal.Signals]
) -> None:
    """In the middle of a fault: exit 130, said in words, the journal whole, nothing left running.

    Once, and SIGTERM: tests/unit/test_run.py on virtual time, tests/e2e/test_killmatrix.py on real targets.
    """
    started = begun(tmp_path, target)
    for number in signals:
        started.process.send_signal(number)
        time.sleep(0.3)
    done = started.done(60)
    assert done.code == 130, done.err
    assert "interrupted" in done.err
    journal = Journal.load(done.run)
    assert [e.data["status"] for _, e in journal.of("run.end")] == ["interrupted"]
    assert len(list(journal.of("fault.heal"))) == len(list(journal.of("fault.active"))) == 1
    assert done.findings["verdict"] == "INCONCLUSIVE"
    assert nothing_left(target) == []


@pytest.mark.parametrize("target", [PROCESS, COMPOSE])
def test_a_killed_harness_leaves_nothing_running_and_a_journal_that_can_be_read(tmp_path: Path, target: str) -> None:
    """SIGKILL in the middle of a fault: the kernel empties the box, the watchdog ends the containers."""
    started = begun(tmp_path, target)
    started.process.kill()
    done: Done = started.done(10)
    assert done.code == -signal.SIGKILL
    assert nothing_left(target, 60) == []
    journal = Journal.load(done.run)
    assert list(journal.of("fault.active")) and not list(journal.of("run.end"))
    judged = play(tmp_path / "judged", "check", str(done.run))
    assert judged.code == 3, "a run that nobody ended is no PASS, and what users met of its end convicts nobody"
    assert "the run was cut off" in judged.out


def begun(tmp_path: Path, target: str) -> Started:
    """A run in the middle of its fault."""
    more = ["--without", "promql"] if target == "process" else []
    started = Started(tmp_path, "run", "node-kill", "--short", "--posture", "as-was", "--target", target, *more)
    started.wait_for("bites")
    return started
