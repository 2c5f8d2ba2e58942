"""A stack that is not ours, as a stranger would test it: examples/shop with pytest, on the embedded target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.stage import INCONCLUSIVE, MARK, ROOT, nothing_left, play


@pytest.mark.box
def test_the_example_of_the_guide_passes(tmp_path: Path) -> None:
    """Its tests drive faults, its experiment is a test; junit.xml has the measures, and nothing is left running."""
    xml = tmp_path / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-p", "chaos.testing.plugin", "-q", "examples/shop",
               "examples/shop/experiments", "--chaos-target", "process", "--chaos-runs", str(tmp_path / "runs"),
               f"--junitxml={xml}", "-o", "junit_family=xunit1"]  # fmt: skip
    env = os.environ | {MARK: str(tmp_path), "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {str(p.get("name")): str(p.get("value")) for p in ET.parse(xml).getroot().iter("property")}
    assert "4 passed" in done.stdout and found["chaos.verdict"] == "PASS"
    assert float(found["delivery.acked"]) > 0 and float(found["rto_s.order"]) > 3
    assert nothing_left("process", tmp_path) == []


@pytest.mark.box
def test_without_faults_everything_is_played_and_nothing_is_broken(tmp_path: Path) -> None:
    """By the option's former name, which works and says the new one: INCONCLUSIVE, and no change in the journal."""
    stack = ("--stack", "examples/shop/docker-compose.yml", "--target", "process", "--plain")
    done = play(tmp_path, "run", "stock-away", *stack, "--leashed")
    assert done.code == INCONCLUSIVE, done.out + done.err
    (warning,) = [line for line in done.err.splitlines() if line.startswith("warning:")]
    assert "--leashed" in warning and "--no-faults" in warning
    kinds = [json.loads(line)["kind"] for line in (done.run / "journal.jsonl").read_text().splitlines()]
    assert kinds.count("step.skipped") == 1 and not [k for k in kinds if k.startswith("fault.")]
    checks = [f["verdict"] for f in done.findings["findings"] if f["check"].partition("-")[0] != "effective"]
    assert set(checks) == {"PASS"} and done.verdict_of("effective")["verdict"] == "INCONCLUSIVE"
