"""Benchmarks are played, and their document says what of and with which versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import perform
from benchmarks.common.result import Result, Row
from chaos.errors import ChaosError

ROWS = [
    Row("ours", 200, {"p50 ms": 1.23456, "ours = 1": 1.0}),
    Row("theirs", 1500, {"p50 ms": 2469.12, "ours = 1": 2000.0}),
    Row("a table of its own", 7, {"kills": None}),
]


def test_every_figure_stands_with_its_count_and_its_command(tmp_path: Path) -> None:
    """Three significant digits, tables split where columns differ, the command below."""
    assert perform({"made-up": lambda: Result(ROWS, ["Seen from afar."])}, tmp_path, tmp_path / "out.md") == []
    text = (tmp_path / "out.md").read_text()
    assert "| ours | 200 | 1.23 | 1 |\n| theirs | 1,500 | 2,469 | 2,000 |\n\n|  | count | kills |" in text
    assert "| a table of its own | 7 | - |" in text
    assert "- Seen from afar." in text and "`python -m benchmarks made-up`" in text and "load average" in text


def test_a_benchmark_that_fails_leaves_its_last_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is returned, the others are measured, and nothing of the failed run is in the document."""

    def broken() -> Result:
        raise ChaosError("no engine")

    perform({"one": lambda: Result(ROWS[:1])}, tmp_path, tmp_path / "out.md")
    chosen = {"one": broken, "two": lambda: Result(ROWS[1:2]), "three": broken}
    assert perform(chosen, tmp_path, tmp_path / "out.md") == ["one", "three"]
    text = (tmp_path / "out.md").read_text()
    assert "## one" in text and "| ours | 200" in text and "## two" in text and "## three" not in text
    assert "no engine" in capsys.readouterr().err
