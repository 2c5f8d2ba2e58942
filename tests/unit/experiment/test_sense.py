"""Checks and conditions that can never say anything: refused while planning, each with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment.plan import Plan
from chaos.experiment.users import Users
from chaos.incidents.plant import boots
from chaos.model import Node
from chaos.targets.memory.target import Memory

NODES = [Node(f"{c}-{z}", c, z, "", {"chaos.component": c}) for c in ("chat", "prometheus") for z in "ab"]
USERS = Users(frozenset({"text", "pay"}), frozenset({"web", "app"}))
DOC: dict[str, Any] = {
    "name": "x", "claim": "y", "load": {"users": "u.py", "count": 5, "rate": "10/s", "floor": "5/s"},
    "timeline": [{"at": "5s", "fault": "kill", "where": {"name": "chat-a"}, "for": "5s"}],
    "checks": [{"availability": {"at_least": 0.5}}],
}  # fmt: skip


def planned(folder: Path, users: Users | None = USERS, **over: Any) -> Plan:
    import yaml

    file = folder / "x.yaml"
    file.write_text(yaml.safe_dump(DOC | over), encoding="utf-8")
    choices = planning.Choices(7, {"short": False}, {}, users=users)
    return planning.plan("x.yaml", experiments.read(file), Memory(NODES), choices)


def refused(folder: Path, **over: Any) -> list[str]:
    """The places that are named, sorted."""
    with pytest.raises(BadExperiment) as e:
        planned(folder, **over)
    return sorted({p.removeprefix("x.yaml: ").partition(": ")[0] for p in e.value.problems})


@pytest.mark.parametrize(
    ("check", "place"),
    [
        ({"availability": {"at_least": 0.5, "journey": "txt"}}, "checks[0].journey"),
        ({"latency": {"p95_ms": 5, "journey": "txt"}}, "checks[0].journey"),
        ({"recovery": {"within": "5s", "journey": "txt"}}, "checks[0].journey"),
        ({"staleness": {"older_than": "5s", "journey": "txt", "at_most": 0.1}}, "checks[0].journey"),
        ({"metrics": {"component": "chat", "series": "a", "per": "txt", "at_most": 1}}, "checks[0].per"),
        ({"sessions": {"client": "fax", "at_least": 0.5}}, "checks[0].client"),
        ({"metrics": {"component": "chat", "series": "a", "at_most": 1, "at_least": 2}}, "checks[0]"),
        ({"promql": {"expr": "up", "at_most": 1, "at_least": 1.5}}, "checks[0]"),
        ({"metrics": {"component": "chat", "series": "a_total", "at_most": -1}}, "checks[0]"),
        ({"metrics": {"component": "chat", "series": "a", "per": "text", "at_least": -0.5}}, "checks[0]"),
        ({"metrics": {"component": "chat", "series": "", "at_most": 1}}, "checks[0]"),
        ({"metrics": {"component": "chat", "series": "a{b='c'}", "at_most": 1}}, "checks[0]"),
        ({"latency": {"p95_ms": -5}}, "checks[0]"),
        ({"latency": {"p95_ms": 0}}, "checks[0]"),
        ({"latency": {"p95_ms": float("nan")}}, "checks[0]"),
        ({"availability": {"at_least": -0.1}}, "checks[0]"),
        ({"availability": {"at_least": float("nan")}}, "checks[0]"),
        ({"promql": {"expr": "up", "at_most": float("nan")}}, "checks[0]"),
        ({"recovery": {"within": -5, "journey": "text"}}, "checks[0]"),
        ({"delivery": {"lost": -1}}, "checks[0]"),
        ({"orphans": {"by": "drop", "strays": -1}}, "checks[0]"),
        ({"alarm": {"by": "slo", "unseen": -1}}, "checks[0]"),
        ({"availability": {"at_least": "50%", "journey": "all"}}, "checks[0].journey"),
        ({"recovery": {"within": "5s", "journey": "all"}}, "checks[0].journey"),
        ({"availability": {"at_least": 0}}, "checks[0]"),
        ({"availability": {"at_least": "0.0%"}}, "checks[0]"),
        ({"sessions": {"client": "web", "at_least": "0%"}}, "checks[0]"),
        ({"staleness": {"older_than": "5s", "journey": "text", "at_most": "100%"}}, "checks[0]"),
        ({"delivery": {"lost": 1.0}}, "checks[0]"),
        ({"delivery": {"lost": 0, "ghost": "100%"}}, "checks[0]"),
        ({"metrics": {"component": "chat", "series": "a", "at_most": 1, "port": 0}}, "checks[0]"),
        ({"metrics": {"component": "chat", "series": "a", "at_most": 1, "port": 1 << 16}}, "checks[0]"),
    ],
)  # fmt: skip
def test_a_check_that_can_never_say_anything_is_refused(tmp_path: Path, check: dict[str, Any], place: str) -> None:
    """A journey nobody has, a bound that nothing or everything keeps."""
    assert refused(tmp_path, checks=[check]) == [place]


@pytest.mark.parametrize(
    "expr",
    ["sum(rate(x[1m])", "rate(x)", "foo(1)", "1 +", "{}", "", "x{a=b}", "x[5m]", '"text"', "a b", "sum by (x",
     "(" * 5000, "x offset inf", "x offset 1e99", "1" + "+1" * 5000, "topk(x)", "x{a=~'('}", "\u2028"],
)  # fmt: skip
def test_broken_promql_is_refused(tmp_path: Path, expr: str) -> None:
    """In checks and in conditions that stop the run or a fault."""
    assert refused(tmp_path, checks=[{"promql": {"expr": expr, "at_most": 1}}]) == ["checks[0]"]
    assert refused(tmp_path, stop=[{"promql": expr, "above": 1}]) == ["stop[0]"]
    until = {"at": "5s", "fault": "kill", "where": {"name": "chat-a"}, "until": {"promql": expr, "above": 1}}
    assert refused(tmp_path, timeline=[until]) == ["timeline[0].until"]


@pytest.mark.parametrize(
    "expr",
    ["up", "sum(rate(x[1m])) or vector(0)", "histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m])))",
     "x > bool 1e10", "sum(job:http_inflight:rate5m) / scalar(y offset 5m)", "(max_over_time(x[5m:10s]))",
     "-x ^ 2 % 3"],
)  # fmt: skip
def test_promql_that_may_come_to_a_number_is_planned(tmp_path: Path, expr: str) -> None:
    """Whatever Prometheus itself takes."""
    assert planned(tmp_path, checks=[{"promql": {"expr": expr, "at_most": 1}}]).checks


def test_conditions_about_a_journey_nobody_has_are_refused(tmp_path: Path) -> None:
    """In `stop` and in `until`."""
    assert refused(tmp_path, stop=[{"success": "txt", "below": "50%"}]) == ["stop-1.success"]
    until = {"at": "5s", "id": "one", "fault": "kill", "where": {"name": "chat-a"}}
    assert refused(tmp_path, timeline=[until | {"until": {"success": "txt", "below": "50%"}}]) == ["one-until.success"]
    assert refused(tmp_path, stop=[{"promql": "up", "below": 5, "above": 1}]) == ["stop-1"]
    for good in ({"success": "all", "below": "50%"}, {"success": "text", "below": "50%"}):
        assert planned(tmp_path, stop=[good]).stops


@pytest.mark.parametrize("below", [0, "0%", 0.0])
def test_a_share_that_no_success_is_below_is_refused(tmp_path: Path, below: Any) -> None:
    """Neither a run nor a fault would ever end of it."""
    until = [{"at": "5s", "fault": "kill", "where": {"name": "chat-a"}, "id": "one",
              "until": {"success": "text", "below": below}}]  # fmt: skip
    stop = [{"success": "all", "below": below}]
    assert refused(tmp_path, timeline=until, stop=stop) == ["one-until", "stop-1"]


@pytest.mark.parametrize(
    ("over", "place"),
    [
        ({"load": DOC["load"] | {"rate": "9000000/s"}}, "load.rate"),
        ({"recover": "400d", "load": DOC["load"] | {"rate": "9/s"}}, "load.rate"),
        ({"load": DOC["load"] | {"peak": {"at": "1s", "for": "1s", "times": 1e300}}}, "load.rate"),
        ({"load": DOC["load"] | {"peak": {"at": "5min", "for": "1s", "times": 3}}}, "load.peak.at"),
        ({"load": DOC["load"] | {"count": 10**9}}, "load"),
        ({"plant": {"units": 10**9, "servers": 1, "boot": "1/h", "lanes": 1, "power": {"1s": "100%"}}}, "plant"),
        ({"people": {"visit_every": "1s", "finds_form": "1s", "notice": 0.5, "first": 0.5, "count": 10**11,
                     "regions": {"a": {"form": ["web"], "app": 0.5}}}}, "people"),
        ({"scale": 1e-320}, "file"),
        ({"recover": "9999999999d"}, "recover"),
        ({"timeline": [DOC["timeline"][0] | {"for": "999999999999d"}]}, "timeline[0].for"),
    ],
)  # fmt: skip
def test_more_than_any_machine_can_do_is_refused(tmp_path: Path, over: dict[str, Any], place: str) -> None:
    """And nothing of that size is made to find it out."""
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, **over)
    assert [p.split(": ")[1] for p in e.value.problems] == [place]


def test_more_lanes_than_units_cost_nothing() -> None:
    """A lane that no unit waits for is not made."""
    assert boots(2, 5.0, 10**15, [(0.0, 1.0)]) == [5.0, 5.0]


@pytest.mark.parametrize("when", [{"short": []}, {"posture": "asis"}, {"posture": ["asis", "was"]}])
def test_a_condition_that_no_setting_can_have_is_refused(tmp_path: Path, when: dict[str, Any]) -> None:
    """What stands under it would be switched off for ever: the stack has no posture."""
    choices = planning.Choices(7, {"short": False, "posture": ""}, {}, users=USERS)
    written = DOC | {"checks": [DOC["checks"][0] | {"when": when}]}
    (tmp_path / "x.yaml").write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(BadExperiment) as e:
        planning.plan("x.yaml", experiments.read(tmp_path / "x.yaml"), Memory(NODES), choices)
    assert [p.partition(": ")[2].partition(": ")[0] for p in e.value.problems] == ["checks[0].when"]


def test_nobody_is_refused_by_a_users_file_that_could_not_be_read(tmp_path: Path) -> None:
    """The load says it before the first fault."""
    check = {"availability": {"at_least": 0.5, "journey": "txt"}}
    for users in (None, Users(frozenset({"text"}), frozenset(), partial=True)):
        assert planned(tmp_path, users, checks=[check]).checks


def test_a_check_listed_twice_is_refused(tmp_path: Path) -> None:
    """The same with other bounds, another phase or another kind is none."""
    one = {"availability": {"at_least": 0.5}}
    assert refused(tmp_path, checks=[one, {"delivery": {}}, one]) == ["checks[2]"]
    expr = {"promql": {"expr": "up", "at_most": 1}}
    assert refused(tmp_path, checks=[expr, expr]) == ["checks[1]"]
    others = [{"availability": {"at_least": 0.6}}, {"availability": {"at_least": 0.5, "phase": "after"}}]
    assert len(planned(tmp_path, checks=[one, *others]).checks) == 3


@pytest.mark.parametrize(
    ("over", "phase"),
    [
        ({"timeline": []}, "during"),
        ({"steady": {"for": "0s"}, "timeline": [DOC["timeline"][0] | {"at": "0s"}]}, "before"),
        ({"recover": "0s"}, "after"),
    ],
)
def test_a_phase_that_is_not_there_is_refused(tmp_path: Path, over: dict[str, Any], phase: str) -> None:
    """Before, during and after; the others are."""
    check = {"availability": {"at_least": 0.5, "phase": phase}}
    assert refused(tmp_path, checks=[check], **over) == ["checks[0]"]
    assert planned(tmp_path, checks=[check])


def test_samples_begin_with_the_timeline(tmp_path: Path) -> None:
    """A fault at its very start leaves none before it."""
    check = {"promql": {"expr": "up", "at_most": 1, "phase": "before"}}
    assert refused(tmp_path, checks=[check], timeline=[DOC["timeline"][0] | {"at": "0s"}]) == ["checks[0]"]
    assert planned(tmp_path, checks=[check])
