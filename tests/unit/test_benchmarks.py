"""The benchmarks' runner: no figure without a run, and a document that is a function of the results kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scales
from benchmarks.__main__ import found
from benchmarks.common import document
from benchmarks.common.result import median, quantile
from chaos.errors import ChaosError
from chaos.record.findings import Document, FactRow, Measures, Success
from tests.messages import Says


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


def test_the_document_has_what_runs_have_left_and_nothing_else() -> None:
    """docs/benchmarks.md is made of benchmarks/results; `python -m benchmarks --only-write` makes it again."""
    assert document.DOCUMENT.read_text() == document.render(document.kept(document.RESULTS))


def test_every_result_is_of_a_benchmark_that_there_is() -> None:
    """A benchmark that is gone takes its figures with it; what has no `rows` is left alone."""
    names = {record.name for record in document.kept(document.RESULTS)}
    assert names and names <= set(found())
    assert "common" not in found() and "__main__" not in found()


def at_scale(mail: float | None, servers: float) -> Document:
    """A findings.json as far as scales are compared."""
    fractions = {"login3p": 0.15, "media": 0.24, "mail": mail}
    used = {journey: Success(n=100) for journey in scales.JOURNEYS}
    facts = {"servers_back_at_f_0.174": servers, "text_return_fraction": 9.0}
    rows = tuple(FactRow(name, "predict", None, measured) for name, measured in facts.items())
    return Document(measures=Measures(return_fraction=fractions, availability=used), facts=rows)


def test_scales_compare_what_the_plant_drives_and_nothing_else(says: Says) -> None:
    """Three journeys and the servers; each with both values and their ratio."""
    rows = scales.beside(at_scale(0.68, 0.375), at_scale(0.69, 0.40))
    assert [r.count for r in rows] == [200, 200, 200, 32]
    says("\n".join(r.of for r in rows))
    assert rows[2].figures == {"at 3,600": 0.68, "at 1,800": 0.69, "ratio": 0.69 / 0.68}


def test_scales_fail_where_a_figure_is_too_far_off_or_never_came(says: Says) -> None:
    """More than a fifth, and a journey that did not return, are no result."""
    with says.raises(AssertionError):
        scales.beside(at_scale(0.68, 0.375), at_scale(0.68, 0.46))
    with says.raises(ChaosError):
        scales.beside(at_scale(0.68, 0.375), at_scale(None, 0.375))
