"""The benchmarks' runner: no figure without a run, and a document that is a function of the results kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scales
from benchmarks.__main__ import found, perform
from benchmarks.common import document
from benchmarks.common.result import Result, Row, median, quantile
from chaos.errors import ChaosError

ROWS = [
    Row("ours", 200, {"p50 ms": 1.23456, "ours = 1": 1.0}),
    Row("theirs", 1500, {"p50 ms": 2469.12, "ours = 1": 2000.0}),
    Row("a table of its own", 7, {"kills": None}),
]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_a_sample_that_enough_do_not_exceed(samples: list[float], q: float) -> None:
    """A measured value, the smallest that a share of q does not exceed."""
    value = quantile(samples, q)
    assert value in samples
    assert sum(s <= value for s in samples) >= q * len(samples) - 1e-6
    assert sum(s < value for s in samples) < q * len(samples)


def test_quantiles_of_known_samples() -> None:
    """p99 of 200 is the 198th, not the largest."""
    samples = [float(n) for n in range(1, 201)]
    assert (median(samples), quantile(samples, 0.99), quantile(samples, 1.0)) == (100.0, 198.0, 200.0)


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


def test_the_document_has_what_runs_have_left_and_nothing_else() -> None:
    """docs/benchmarks.md is made of benchmarks/results; `python -m benchmarks --only-write` makes it again."""
    assert document.DOCUMENT.read_text() == document.render(document.kept(document.RESULTS))


def test_every_result_is_of_a_benchmark_that_there_is() -> None:
    """A benchmark that is gone takes its figures with it; what has no `rows` is left alone."""
    names = {record.name for record in document.kept(document.RESULTS)}
    assert names and names <= set(found())
    assert "common" not in found() and "__main__" not in found()


def at_scale(mail: float | None, servers: float) -> dict[str, Any]:
    """A findings.json as far as scales are compared."""
    return {
        "measures": {
            "return_fraction": {"login3p": 0.15, "media": 0.24, "mail": mail},
            "availability": {journey: {"n": 100} for journey in scales.JOURNEYS},
        },
        "targets": [
            {"name": "servers_back_at_f_0.174", "measured": servers},
            {"name": "text_return_fraction", "measured": 9.0},
        ],
    }


def test_scales_compare_what_the_plant_drives_and_nothing_else() -> None:
    """Three journeys and the servers; each with both values and their ratio."""
    rows = scales.beside(at_scale(0.68, 0.375), at_scale(0.69, 0.40))
    assert [(r.of, r.count) for r in rows] == [
        ("login3p is back, fraction of the incident", 200), ("media is back, fraction of the incident", 200),
        ("mail is back, fraction of the incident", 200), ("share of servers back at 0.174 of the incident", 32),
    ]  # fmt: skip
    assert rows[2].figures == {"at 3,600": 0.68, "at 1,800": 0.69, "ratio": 0.69 / 0.68}


def test_scales_fail_where_a_figure_is_too_far_off_or_never_came() -> None:
    """More than a fifth, and a journey that did not return, are no result."""
    with pytest.raises(AssertionError, match=r"share of servers back at 0\.174"):
        scales.beside(at_scale(0.68, 0.375), at_scale(0.68, 0.46))
    with pytest.raises(ChaosError, match=r"mail returned at 0\.68 and None"):
        scales.beside(at_scale(0.68, 0.375), at_scale(None, 0.375))
