"""A stack that is not ours, as a stranger would test it: examples/shop with pytest, on the embedded target."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.stage import ROOT, nothing_left


@pytest.mark.box
def test_the_example_of_the_guide_passes(tmp_path: Path) -> None:
    """Its tests drive faults, its experiment is a test; junit.xml has the measures, and nothing is left running."""
    xml = tmp_path / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-p", "chaos.pytest_plugin", "-q", "examples/shop",
               "examples/shop/experiments", "--chaos-target", "process", "--chaos-runs", str(tmp_path / "runs"),
               f"--junitxml={xml}", "-o", "junit_family=xunit1"]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {str(p.get("name")): str(p.get("value")) for p in ET.parse(xml).getroot().iter("property")}
    assert "4 passed" in done.stdout and found["chaos.verdict"] == "PASS"
    assert float(found["delivery.acked"]) > 0 and float(found["rto_s.order"]) > 3
    assert nothing_left("process") == []
