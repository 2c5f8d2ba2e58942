"""Runs beside each other: on the recorded runs, and on small histories where every difference is known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import BadExperiment
from chaos.experiment.plan import LoadSpec
from chaos.judge.judge import judge
from chaos.report.comparison import Arm, document, page, terminal
from tests.golden import make
from tests.messages import Says
from tests.unit.histories import every, journal, outage, readback, send


def recorded(name: str) -> Arm:
    return Arm(make.load(name), make.verdict(name))


def arm(back: float, **knobs: Any) -> Arm:
    """Text gone from 1 s to `back`, four operations a second; two writes, the second lost where `lost` is set."""
    lost, seed = knobs.pop("lost", False), knobs.pop("seed", 1)
    writes = [send(-5, "w1"), send(-4, "w2"), readback("u1", ["w1"] if lost else ["w1", "w2"])]
    more = {k: knobs.pop(k) for k in list(knobs) if k in {"load", "scale", "short", "experiment"}}
    made = journal([*outage(1, back), *writes], settings={"posture": "as-was", **knobs}, seed=seed, **more)
    return Arm(made, judge(made, f"runs/x/{back:g}-{knobs}"))


def test_the_recorded_fire_is_told_apart_from_the_remedied_one() -> None:
    """Knobs, verdicts, who was hurt, and how much sooner users were back."""
    doc = document([recorded("zone-fire-as-was"), recorded("zone-fire-remedied")])
    assert doc["varies"] == ["posture", "data_replicated", "tools_replicated"]
    assert doc["same"] == {"boot_lanes": 1, "seed": 7, "target": "process"}
    was, remedied = doc["runs"]
    assert was["expected_failures"] == 1 and remedied["expected_failures"] == 0
    assert "bank" not in was["hurt"] and len(was["hurt"]) == 11
    (difference,) = doc["against_first"]
    assert difference["rto_s"]["mail"] == pytest.approx(remedied["rto_s"]["mail"] - was["rto_s"]["mail"])
    assert difference["rto_s"]["mail"] < -80 and difference["rto_s"]["bank"] == 0
    assert difference["failed"] == remedied["failed"] - was["failed"] < 0
    assert doc["journeys"][-1] == "bank"


def test_what_failed_is_counted_from_the_operations() -> None:
    """Text failed from 1 s to 3 s at four a second: eight operations, back after two seconds."""
    doc = document([arm(3, lanes=1), arm(2, lanes=4)])
    assert [(r["failed"], r["longest_s"]) for r in doc["runs"]] == [(8, 2.0), (4, 1.0)]
    assert doc["runs"][1]["knobs"] == {"lanes": 4}
    assert doc["against_first"][0] == {
        "name": "B", "failed": -4, "longest_s": -1.0, "lost": 0, "rpo_s": 0.0, "return_fraction": {},
        "failed_by": {"text": -4}, "rto_s": {"text": -1.0}, "success_during": {"text": 0.1},
    }  # fmt: skip


def test_a_knob_s_effect_is_the_mean_over_runs_that_share_its_value() -> None:
    """Two knobs, four runs: each value is in two of them, whatever the other knob was."""
    arms = [arm(1 + 2 * a + b, a=a, b=b, lost=not b) for a in (1, 2) for b in (0, 1)]
    effects = document(arms)["effects"]
    found = [(e["knobs"], [(v["value"], v["runs"], v["failed"], v["lost"]) for v in e["values"]]) for e in effects]
    assert found == [
        (["a"], [([1], 2, 10.0, 0.5), ([2], 2, 18.0, 0.5)]), (["b"], [([0], 2, 12.0, 1.0), ([1], 2, 16.0, 0.0)]),
    ]  # fmt: skip


def test_knobs_that_were_only_turned_together_are_not_told_apart() -> None:
    """A posture is such a bundle: one table for all of it."""
    effects = document([arm(3, a=1, b=False), arm(2, a=2, b=True)])["effects"]
    assert [(e["knobs"], [v["value"] for v in e["values"]]) for e in effects] == [(["a", "b"], [[1, False], [2, True]])]


def test_a_journey_that_never_came_back_has_no_mean() -> None:
    """None, and in words never a number."""
    doc = document([arm(20, lanes=1), arm(2, lanes=4), arm(3, lanes=4)])
    assert doc["runs"][0]["longest_s"] is None and doc["against_first"][0]["longest_s"] is None
    assert [e["longest_s"] for e in doc["effects"][0]["values"]] == [None, 1.5]
    assert "never back" in terminal.render(doc)


@pytest.mark.parametrize(
    "other",
    [{"load": LoadSpec("u.py", 2, 8.0, 1.0, 1)}, {"experiment": "y"}, {"scale": 3600.0}, {"short": True}],
    ids=str,
)
def test_runs_that_show_no_knob_are_refused(other: dict[str, Any], says: Says) -> None:
    """With what was found and what was expected, and the way to do it all the same."""
    arms = [arm(3, lanes=1), arm(2, lanes=4, **other)]
    with says.raises(BadExperiment):
        document(arms)
    says(document(arms, anyway=True)["warnings"][0])


def test_other_seeds_are_a_warning(says: Says) -> None:
    """A sweep over seeds is one of the things a comparison is for."""
    doc = document([arm(3, seed=1), arm(2, seed=2)])
    assert len(doc["warnings"]) == 3, "the seeds, and two runs without a check"
    says("\n".join(doc["warnings"]))
    assert doc["varies"] == ["seed"]


def test_one_run_is_no_comparison(says: Says) -> None:
    """Two are expected."""
    with says.raises(BadExperiment):
        document([arm(3)])


def test_strips_share_one_axis_and_show_where_nobody_was() -> None:
    """A run that ended earlier has no users at the right end."""
    early = journal(every(0.25, -10, 5), settings={"lanes": 1})
    late = journal(every(0.25, -10, 20), settings={"lanes": 2})
    doc = document([Arm(j, judge(j, n)) for j, n in ((early, "a"), (late, "b"))])
    first, second = (r["strip"] for r in doc["runs"])
    assert first[0] == second[0] == second[-1] == 1.0 and first[-1] is None
    assert "·" in terminal.render(doc)


def test_every_form_says_the_same_and_asks_nobody_for_anything() -> None:
    """Terminal within a hundred columns; the page has its plots inside and no address of anybody."""
    doc = document([recorded("zone-fire-as-was"), recorded("zone-fire-remedied")])
    shown, written = terminal.render(doc), page.render(doc)
    assert max(map(len, shown.splitlines()[:-2])) <= 100
    for run in doc["runs"]:
        assert f"{run['failed']:,}" in shown and f"{run['failed']:,}" in written and run["run"] in shown
    assert written.count("<svg") == 2 and not re.search(r"(src|href)=|https?://|@import|<script", written)
    assert page.render(doc) == written and json.loads(json.dumps(doc)) == json.loads(json.dumps(doc))


def test_names_of_knobs_cannot_become_markup() -> None:
    """Whatever stands in a run's settings is text."""
    doc = document([arm(3, note="<b>&"), arm(2, note="plain")])
    assert "&lt;b&gt;&amp;" in page.render(doc) and "<b>&" not in page.render(doc)


def test_the_package_reads_no_file() -> None:
    """What is shown is a function of the journals: no path of this machine gets into it."""
    assert str(Path.cwd()) not in json.dumps(document([arm(3, lanes=1), arm(2, lanes=4)]))
