"""Runs of a suite are processes: followed, interrupted, ended by somebody else."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from chaos.experiment.suite import Entry, Play
from chaos.model import Verdict
from chaos.report.suite.outcome import outcome
from chaos.run import child
from chaos.run.child import Player

FIRE = Play(Entry(experiment="zone-fire", posture="as-was"), 7, 600.0)


def suite(folder: Path, text: str) -> Path:
    path = folder / "night.yaml"
    path.write_text(text)
    return path


# --- the file


# --- what a run came to


# --- reports


# --- playing, with a program of the test's in the place of `chaos`

PROGRAM = """
import json, pathlib, signal, sys, time
name, how, run = sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[5])
run.mkdir(parents=True)
(run / "plan.json").write_text("{}")
def end(code, verdict):
    (run / "findings.json").write_text(json.dumps({"verdict": verdict, "measures": {}, "findings": []}))
    sys.exit(code)
signal.signal(signal.SIGINT, lambda *_: end(130, "INCONCLUSIVE"))
print("it has begun", file=sys.stderr, flush=True)
while how == "wait":  # not signal.pause: a signal right before it would be missed
    time.sleep(0.01)
end(0, "PASS")
"""


QUICK = Path("runs") / "quick" / "20260101T000000Z-s7"


@pytest.fixture
def player(tmp_path: Path) -> Player:
    (tmp_path / "program.py").write_text(PROGRAM)
    return Player(tmp_path, lambda line: None, (sys.executable, str(tmp_path / "program.py")))


def test_a_run_is_followed_to_its_end(player: Player) -> None:
    """Its folder, its code, what it said."""
    played = player.play(["quick", "now"], QUICK)
    assert (played.code, played.over) == (0, False) and played.run == player.folder / QUICK
    assert outcome(FIRE, played).verdict is Verdict.PASS
    assert len(played.said) == 1


def test_a_run_whose_time_is_up_is_interrupted(player: Player) -> None:
    """It ends as on Ctrl-C, and writes its findings. The clock of the test strikes once the run has said something."""

    class Clock(threading.Timer):
        def start(self) -> None:
            player.hear = lambda line: self.function(*self.args)

    player.timer = Clock
    played = player.play(["slow", "wait"], QUICK, budget=600.0)
    assert played.over and played.code == child.INTERRUPTED
    assert outcome(FIRE, played).verdict is Verdict.INCONCLUSIVE


def test_somebody_else_can_end_the_run_that_goes_on(player: Player) -> None:
    """As the suite's own Ctrl-C does."""
    player.hear = lambda line: threading.Thread(target=player.end).start()
    played = player.play(["slow", "wait"], QUICK)
    assert played.code == child.INTERRUPTED and not played.over
    assert outcome(FIRE, played).why == "interrupted"
