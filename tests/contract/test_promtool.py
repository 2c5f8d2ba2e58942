"""Prometheus' own tool reads our configuration and rules."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "observe"
PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool on PATH: it comes with Debian's prometheus package"
)


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((OBSERVE / "grafana" / f"{name}.json").read_text())["panels"]
    return found


@PROMTOOL
def test_promtool_accepts_configuration_and_rules() -> None:
    """The scrapes, and every expression of every rule."""
    done = promtool("check", "config", OBSERVE / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


@PROMTOOL
def test_rules_come_to_what_they_should_and_a_wrong_one_is_noticed(tmp_path: Path) -> None:
    """On series written by hand; with the budget taken from the good operations the same tests fail."""
    done = promtool("test", "rules", OBSERVE / "prometheus" / "tests" / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "prometheus"
    shutil.copytree(OBSERVE / "prometheus", wrong)
    text = (wrong / "recording.yml").read_text()
    changed = text.replace('chaos_ops_total{result!="ok"}) /', "chaos_ops_total) /")
    assert changed != text
    (wrong / "recording.yml").write_text(changed)
    done = promtool("test", "rules", wrong / "tests" / "rules.yml")
    assert done.returncode == 1 and "error_budget" in done.stdout + done.stderr


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
