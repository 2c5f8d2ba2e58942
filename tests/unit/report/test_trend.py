"""Trends: the test's figures against ones worked out by hand, what is flagged, what is not, and how seeds differ."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.cli import main
from chaos.report.trend import rank, series, words
from chaos.report.trend.series import Run
from tests.messages import Says, lines
from tests.unit.cli.test_commands import refusal

GOLDEN = Path(__file__).parents[2] / "golden"


def run(n: int, seed: int = 7, verdict: str = "PASS", kind: str = "process remedied, 60/s", **measures: object) -> Run:
    named = {name.replace("__", "."): value for name, value in measures.items()}
    return Run(f"runs/x/{n}", f"day {n}", seed, kind, verdict, named)  # type: ignore[arg-type]


def test_three_worse_of_six_have_one_chance_in_twenty() -> None:
    """Of the 20 ways to deal three of six ranks, one puts all three on top."""
    assert rank.worse([4, 5, 6], [1, 2, 3]) == pytest.approx(1 / 20)
    assert rank.worse([1, 2, 3], [4, 5, 6]) == 1.0
    assert rank.least(3, 3) == pytest.approx(1 / 20)


def test_never_is_worse_than_any_number() -> None:
    """Infinity ranks above everything, and ties with itself."""
    assert rank.worse([math.inf] * 3, [1e9, 2, 3]) == pytest.approx(1 / 20)
    assert rank.worse([math.inf] * 3, [math.inf] * 3) == 1.0
    assert rank.worse([], [1.0]) == 1.0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
)
def test_the_exact_p_is_what_counting_every_deal_gives(newer: list[int], older: list[int]) -> None:
    """Ties and all."""
    ranks = rank.doubled_ranks([*newer, *older])
    mine = sum(ranks[: len(newer)])
    deals = list(itertools.combinations(ranks, len(newer)))
    assert rank.worse(newer, older) == pytest.approx(sum(sum(deal) >= mine for deal in deals) / len(deals))


def test_the_approximation_agrees_with_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """For thirty runs, within a hundredth."""
    newer, older = [3.0 * k % 17 + 4 for k in range(15)], [5.0 * k % 17 for k in range(15)]
    exact = rank.worse(newer, older)
    monkeypatch.setattr(rank, "EXACT", 0)
    assert 0 < exact < 0.2
    assert rank.worse(newer, older) == pytest.approx(exact, abs=0.01)


def test_many_tests_cost_certainty() -> None:
    """Benjamini and Hochberg's own arithmetic."""
    assert rank.adjusted([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert rank.adjusted([]) == []


def test_a_longer_outage_is_flagged_and_a_shorter_one_is_not() -> None:
    """Planted: text is away twice as long; pay comes back sooner; the number of operations has no direction."""
    older = [run(n, rto_s__text=4.0 + n / 100, rto_s__pay=3.0 + n / 100, load__n=600) for n in range(10)]
    newer = [run(n, rto_s__text=8.0 + n / 100, rto_s__pay=1.0, load__n=100) for n in range(10, 15)]
    found = {t.name: t for t in series.trends(older, newer, ["rto_s.*", "load.*"])}
    assert [name for name, t in found.items() if t.regressed] == ["rto_s.text"]
    assert found["load.n"].p is None
    assert found["rto_s.pay"].p == 1.0


def test_less_availability_is_worse_and_a_hair_is_no_regression() -> None:
    """Significant and too small to matter is not flagged."""
    older = [run(n, availability__text__during=0.99, availability__pay__during=0.9901) for n in range(10)]
    newer = [run(n, availability__text__during=0.5, availability__pay__during=0.99) for n in range(10, 15)]
    found = {t.name: t for t in series.trends(older, newer)}
    assert found["availability.text.during"].regressed
    pay = found["availability.pay.during"]
    assert pay.q is not None and pay.q < 0.05 and not pay.regressed


def test_availability_is_compared_as_what_failed() -> None:
    """From 99.99 % to 95 % is five hundred times as many failures; the way back is an improvement."""
    good = [run(n, availability__text__during=0.9999 - n / 1e6) for n in range(20)]
    bad = [run(n, availability__text__during=0.95 - n / 1e4) for n in range(20, 25)]
    (found,) = series.trends(good, bad, ["availability.*.during"])
    assert found.regressed and not found.improved and found.q is not None and found.q < 1e-4
    (found,) = series.trends(bad, good[:5], ["availability.*.during"])
    assert found.improved and not found.regressed
    (found,) = series.trends([run(n, availability__text__during=1.0) for n in range(20)], bad, ["availability.**"])
    assert found.regressed


@pytest.mark.parametrize("name", series.NEVER)
def test_what_may_never_happen_is_flagged_by_happening(name: str) -> None:
    """One lost write in two of five runs, or in one; also where the baseline has it once, or has nothing."""
    name = name.replace("*", "text")

    def runs(*values: float | None) -> list[Run]:
        return [Run(f"x/{n}", str(n), 7, "k", "PASS", {name: v} if v is not None else {}) for n, v in enumerate(values)]

    for older in ([0] * 20, [0] * 19 + [1], [0], [None] * 5):
        for newer in ([0, 1, 0, 1, 0], [0, 0, 1], [1]):
            (found,) = series.trends(runs(*older), runs(*newer), [name])
            assert found.regressed and found.never and found.p is None
        assert not any(t.regressed for t in series.trends(runs(*older), runs(0, 0, 0), [name]))


def test_what_is_measured_no_longer_is_flagged() -> None:
    """In a rate, a time and a count of damage; not where the baseline seldom had it, nor where one newer run has it."""
    had: dict[str, Any] = {"delivery__lost": 0, "rto_s__text": 4.0, "availability__text__during": 0.9}
    older = [run(n, **had) for n in range(9)]
    blind = [run(n) for n in range(9, 14)]
    assert [t.name for t in series.trends(older, blind) if t.regressed] == [
        "availability.text.during", "delivery.lost", "rto_s.text",
    ]  # fmt: skip
    seldom = [*older[:4], *(run(n) for n in range(4, 9))]
    assert not any(t.regressed for t in series.trends(seldom, blind))
    assert not any(t.regressed for t in series.trends(older, [*blind, run(14, **had)]))


def test_what_an_experiment_expects_to_lose_is_flagged_when_it_loses_more() -> None:
    """A baseline in which most runs lose writes is no news by itself."""
    older = [run(n, delivery__lost=100 + n) for n in range(20)]
    (same,) = series.trends(older, [run(n, delivery__lost=105 + n) for n in range(5)], ["delivery.lost"])
    (more,) = series.trends(older, [run(n, delivery__lost=200 + n) for n in range(5)], ["delivery.lost"])
    assert not same.regressed and more.regressed and not more.never


def test_a_thousand_histories_without_a_change_give_few_flags() -> None:
    """At most the family-wise rate of them, give or take what chance adds to a thousand; none by the other way."""
    dice = random.Random(7)
    flagged = better = 0
    for _ in range(1000):
        runs = [quiet(n, dice) for n in range(15)]
        found = series.trends(runs[:10], runs[10:])
        flagged += any(t.regressed for t in found)
        better += any(t.improved for t in found)
    most = 1000 * series.ALPHA + 3 * math.sqrt(1000 * series.ALPHA * (1 - series.ALPHA))
    assert flagged <= most and better <= most


def quiet(n: int, dice: random.Random) -> Run:
    """One run of a system that never changes: rare failures, times that scatter, runs that are slow as a whole."""
    slow = dice.lognormvariate(0, 0.1)
    measures: dict[str, float | None] = {"delivery.lost": 0.0}
    for journey in ("text", "pay", "bank"):
        measures[f"availability.{journey}.during"] = 1 - sum(dice.random() < 0.003 for _ in range(200)) / 200
        measures[f"latency_ms.{journey}.during.p95"] = 50 * slow * dice.lognormvariate(0, 0.2)
        measures[f"rto_s.{journey}"] = dice.choice((0.0, 1.0, 1.0, dice.uniform(1, 3)))
    return Run(f"x/{n}", str(n), 7, "k", "FAIL" if dice.random() < 0.05 else "PASS", measures)


def test_a_journey_that_never_comes_back_is_a_regression() -> None:
    """From five seconds to never, and verdicts with it."""
    older = [run(n, rto_s__text=5.0) for n in range(10)]
    newer = [run(n, verdict="FAIL", rto_s__text=None) for n in range(10, 15)]
    assert [t.name for t in series.trends(older, newer) if t.regressed] == ["rto_s.text", "verdict"]


def test_runs_that_are_alike_flag_nothing() -> None:
    """The same figures on both sides."""
    older = [run(n, rto_s__text=4.0 + n % 3) for n in range(9)]
    newer = [run(n, rto_s__text=4.0 + n % 3) for n in range(9, 15)]
    assert not [t for t in series.trends(older, newer) if t.regressed]


def test_a_pattern_stays_between_its_dots() -> None:
    """`*` is one part of a name, `**` any number of them."""
    older, newer = [run(1, availability__text__counts__during=9)], [run(2, availability__text__during=0.9)]
    assert [t.name for t in series.trends(older, newer)] == ["availability.text.during", "verdict"]
    names = [t.name for t in series.trends(older, newer, ["availability.**"])]
    assert names == ["availability.text.counts.during", "availability.text.during"]


def test_a_line_of_bars_says_what_is_missing_and_what_never_came() -> None:
    """From least to greatest."""
    assert words.sparkline([1.0, 4.6, 8.0]) == "▁▅█"
    assert words.sparkline([2.0, 2.0]) == "▁▁"
    assert words.sparkline([1.0, 8.0, None, math.inf]) == "▁█·x"


def test_too_few_runs_say_so(says: Says) -> None:
    """Two against two can not be significant, and the output states the least p."""
    older, newer = [run(n, rto_s__text=1.0) for n in range(2)], [run(n, rto_s__text=9.0) for n in range(2, 4)]
    trends = series.trends(older, newer, ["rto_s.*"])
    says(words.render("x", older, newer, trends, ""))
    assert not trends[0].regressed


def test_one_seed_that_comes_to_two_verdicts_is_flaky(says: Says) -> None:
    """Agreement and spread; another seed's runs are counted apart."""
    runs = [run(n, rto_s__text=4.0 + n, verdict="FAIL" if n == 3 else "PASS") for n in range(4)]
    (found,) = series.flakiness([*runs, run(9, seed=8, rto_s__text=1.0)])
    assert (found.runs, found.agreement, dict(found.verdicts)) == (4, 0.75, {"PASS": 3, "FAIL": 1})
    (spread,) = found.spreads
    assert (spread.least, spread.median, spread.most) == (4.0, 5.5, 7.0)
    assert spread.relative == pytest.approx(3 / 5.5)
    says(words.flaky("x", [found]))


# --- the command, on recorded runs


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Six recorded runs that are alike, then three in which text is away ten times as long."""
    golden = GOLDEN / "zone-fire-remedied"
    for n in range(9):
        folder = tmp_path / "runs" / "zone-fire" / f"2026010{n + 1}T000000Z-s7"
        folder.mkdir(parents=True)
        shutil.copy(golden / "plan.json", folder)
        found = json.loads((golden / "findings.json").read_text())
        found["measures"]["rto_s"]["text"] = (1.0 if n < 6 else 10.0) + n / 100
        found["verdict"] = "PASS"
        (folder / "findings.json").write_text(json.dumps(found))
    return tmp_path / "runs"


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


def test_the_command_exits_1_on_a_regression_and_states_its_test(
    runs: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """Three of nine are worse: one way in 84."""
    asked = ("trend", "zone-fire", "--runs", str(runs), "--newest", "3", "--measure", "rto_s.text")
    assert call(*asked) == 1
    says(capsys.readouterr().out)
    assert call(*asked, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["regressed"] == ["rto_s.text"] and found["test"]["least_p"] == pytest.approx(1 / 84)


def test_the_command_is_content_with_runs_that_are_alike(
    runs: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """The six before, by names of a baseline too."""
    for n in (7, 8, 9):
        shutil.rmtree(runs / "zone-fire" / f"2026010{n}T000000Z-s7")
    asked = ("trend", "zone-fire", "--runs", str(runs), "--measure", "rto_s.bank")
    assert call(*asked, "--newest", "3") == 0
    assert call(*asked, "--baseline", "20260101T000000Z-s7") == 0
    says(lines(capsys.readouterr().out, "1 of the baseline"))
    assert call("trend", "zone-fire", "--runs", str(runs), "--flaky") == 0
    says(lines(capsys.readouterr().out, "agreement"))
    posture = json.loads((GOLDEN / "zone-fire-remedied" / "plan.json").read_text())["settings"]["posture"]
    assert call(*asked, "--newest", "3", "--posture", posture) == 0


@pytest.mark.parametrize(
    "args",
    [
        ("nothing",),
        ("zone-fire", "--newest", "9"),
        ("zone-fire", "--measure", "rto"),
        ("zone-fire", "--baseline", "nowhere"),
    ],
    ids=str,
)
def test_wrong_use_is_said_in_words(
    runs: Path, args: tuple[str, ...], capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """Exit 64, with what to do."""
    assert call("trend", *args, "--runs", str(runs)) == 64
    says(refusal(capsys))
