"""An experiment without a load on the embedded target: its probes see a kill, and pass and fail the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stage import nothing_left, play

FAIL = 1
FILE = """
name: front-kill
claim: Nobody notices that a front is killed.
probes:
  - {name: killed, http: {get: "http://front-a:8000/articles", status: 200}, every: 200ms}
  - {name: other, http: "http://front-b:8000/articles", every: 200ms}
  - {name: port, tcp: "stock-b:8000", every: 200ms}
  - {name: stock, exec: {node: stock-b, run: [test, -d, /proc]}, every: 500ms}
steady: {for: 3s, within: 30s}
hold: 1s
timeline:
  - {id: gone, at: 0.5s, for: 2s, fault: kill, where: {name: front-a}}
recover: 4s
checks:
  - probe: {name: killed, back_within: 4s}
  - probe: {name: killed, at_least: 90%, phase: during}
  - probe: {name: other, at_least: 95%}
  - probe: {name: port, at_least: 95%}
  - probe: {name: stock, at_least: 95%}
"""


@pytest.mark.box
def test_probes_of_an_experiment_without_a_load_see_a_kill(tmp_path: Path) -> None:
    """By name, from the users' place: the killed front is refused and comes back; the other, a port and a command in a
    node are well throughout. Users, and a floor, are nowhere.
    """
    file = tmp_path / "front-kill.yaml"
    file.write_text(FILE, encoding="utf-8")
    stack = ("--stack", "examples/shop/docker-compose.yml", "--target", "process", "--plain", "--metrics-port", "0")
    done = play(tmp_path / "runs", "run", str(file), *stack)
    assert done.code == FAIL, done.out + done.err
    verdicts = [(f["check"], f["verdict"]) for f in done.findings["findings"] if f["check"] != "machine"]
    assert verdicts == [
        ("steady", "PASS"), ("effective", "PASS"),
        ("probe killed back", "PASS"), ("probe killed", "FAIL"),
        ("probe other", "PASS"), ("probe port", "PASS"), ("probe stock", "PASS"),
    ]  # fmt: skip
    measures = done.findings["measures"]
    assert 1.0 < measures["probe_rto_s"]["killed"] < 4.0 and measures["probe_rto_s"]["other"] == 0
    assert "availability" not in measures
    events: list[dict[str, Any]] = [json.loads(x) for x in (done.run / "journal.jsonl").read_text().splitlines()]
    bad = [e for e in events if e["kind"] == "probe.sample" and e["data"].get("ok") == 0]
    assert {e["subject"] for e in bad} == {"killed"} and all(e["data"]["why"] for e in bad)
    assert not [e for e in events if e["kind"] == "probe.error"]
    left = {path.name for path in done.run.iterdir()}
    assert (
        not left & {"ops.jsonl", "prober.json", "prober.jsonl"} and "killed" in (done.run / "report.html").read_text()
    )
    assert nothing_left("process", tmp_path / "runs") == []
