"""Limits and stop conditions while planning: who may be hit, how many, for how long, and what ends a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos import experiment, planning
from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.plan import Plan
from chaos.reports import plan as report
from chaos.targets.memory import Memory
from tests.unit.test_planning import DOC, SETTINGS, step
from tests.unit.test_planning import NODES as LABELLED

STRANGER = Node("redis", "redis", "", labels={"com.example": "x"})
WITH_PROMETHEUS = [*LABELLED, Node("prom", "prometheus", "b", labels={"chaos.component": "prometheus"})]


def planned(tmp_path: Path, nodes: list[Node] = LABELLED, without: str = "", **over: Any) -> Plan:
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(DOC | over))
    choices = planning.Choices(7, SETTINGS, {}, frozenset(without.split()))
    return planning.plan("x.yaml", experiment.read(file), Memory(nodes), choices)


def test_a_plan_within_its_limits_says_how_far_it_goes(tmp_path: Path) -> None:
    """Four nodes of twelve for three seconds: limits of exactly that are kept, and printed beside what is reached."""
    limits = {"max_nodes": 4, "max_share": "34%", "max_duration": "3s"}
    made = planned(tmp_path, limits=limits)
    assert made.limits == {"max_nodes": 4, "max_share": 0.34, "max_duration": 3.0}
    assert "limits: 3 s (at most 3 s), 4 nodes (at most 4), 33% of all nodes (at most 34%)" in report.render(made)


def test_every_limit_that_is_exceeded_is_named_in_one_message(tmp_path: Path) -> None:
    """With what was found, what is allowed and what to do, beside the problems of the rest of the file."""
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, limits={"max_nodes": 3, "max_share": "25%", "max_duration": "2s"}, checks=[{"nothing": {}}])
    fewer = "hit fewer with `pick:` or `share:`, or allow more"
    four = "cache-a, chat-a, db-a, web-a"
    too_long = "the timeline lasts 3.0 s, at most 2.0 s are allowed; end its faults earlier, or allow more"
    assert e.value.problems[:3] == (
        f"x.yaml: limits.max_nodes: the faults hit 4 nodes ({four}), at most 3 are allowed; {fewer}",
        f"x.yaml: limits.max_share: the faults hit 4 of 12 nodes (33%), at most 25% are allowed; {fewer}",
        f"x.yaml: limits.max_duration: {too_long}",
    )
    assert len(e.value.problems) == 4


def test_a_node_that_several_faults_hit_counts_once(tmp_path: Path) -> None:
    """Two faults on the same four nodes are four nodes; one on others makes it more."""
    two = [DOC["timeline"][0], DOC["timeline"][0] | {"fault": "pause"}]
    assert planned(tmp_path, limits={"max_nodes": 4}, timeline=two).limits
    other = DOC["timeline"][0] | {"fault": "pause", "where": {"name": "db-b"}}
    with pytest.raises(BadExperiment, match="hit 5 nodes"):
        planned(tmp_path, limits={"max_nodes": 4}, timeline=[*two, other])


def test_the_longest_duration_is_written_like_the_timeline(tmp_path: Path) -> None:
    """In incident time where there is a scale."""
    over = step(at="1h", **{"for": "2h"}) | {"scale": 3600}
    assert planned(tmp_path, limits={"max_duration": "3h"}, **over).limits == {"max_duration": 3.0}
    with pytest.raises(BadExperiment, match="lasts 3 h, at most 2 h 30 min are allowed"):
        planned(tmp_path, limits={"max_duration": "2.5h"}, **over)


@pytest.mark.parametrize(
    "where", [{"component": "redis"}, {"pick": 1}, {"share": "10%"}, [{"zone": "a"}, {"component": "redis"}]]
)
def test_a_node_without_our_labels_is_hit_only_by_name(tmp_path: Path, where: Any) -> None:
    """Whatever the seed draws: the refusal says how to label, name or spare it."""
    says = r"may hit redis, which carries no chaos\.\* label; .*`name: redis`.*`except:"
    with pytest.raises(BadExperiment, match=says):
        planned(tmp_path, [*LABELLED, STRANGER], **step(where=where))


def test_a_named_or_spared_stranger_is_in_order(tmp_path: Path) -> None:
    """`name: redis` says that it may be broken, `except` that it may not; one that misses it says nothing."""
    nodes = [*LABELLED, STRANGER]
    assert planned(tmp_path, nodes, **step(where={"name": ["redis", "db-a"]})).steps[0].nodes == ("db-a", "redis")
    assert len(planned(tmp_path, nodes, **step(where={"zone": "a"})).steps[0].nodes) == 4
    everybody_else = {"pick": 12, "except": {"name": "redis"}}
    assert "redis" not in planned(tmp_path, nodes, **step(where=everybody_else)).steps[0].nodes


def test_operators_do_not_reach_strangers_either(tmp_path: Path) -> None:
    """What runs a command inside a node changes it as well."""
    line = {"at": "1s", "do": "x", "where": {"component": "redis"}}
    with pytest.raises(BadExperiment, match="may hit redis"):
        planned(tmp_path, [*LABELLED, STRANGER], timeline=[line], operators={"x": {"exec": ["true"]}})


def test_stop_conditions_stand_in_the_plan_in_words(tmp_path: Path) -> None:
    """A success rate and an expression, with their figures and times, run time whatever the scale."""
    users = {"success": "text", "below": "50%", "over": "8s", "for": "3s"}
    stop = [users, {"promql": "sum(up)", "below": 3, "above": 9}]
    made = planned(tmp_path, WITH_PROMETHEUS, stop=stop, scale=60, **step(at="1min", **{"for": "2min"}))
    assert [(s.id, s.kind, s.below, s.above, s.over, s.lasts) for s in made.stops] == [
        ("stop-1", "success", 0.5, None, 8.0, 3.0), ("stop-2", "promql", 3.0, 9.0, 5.0, 0.0),
    ]  # fmt: skip
    printed = report.render(made)
    assert "stops when success of text over 8 s below 50.0% for 3 s (stop-1)" in printed
    assert "stops when promql sum(up) below 3 or above 9 (stop-2)" in printed


def test_a_stop_condition_follows_the_settings(tmp_path: Path) -> None:
    """`when`, as on a line of the timeline."""
    stop = [{"success": "all", "below": 0.5, "when": {"posture": "remedied"}}]
    assert planned(tmp_path, stop=stop).stops == ()


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"limits": {"max_node": 3}}, "limits: unknown field 'max_node'; did you mean 'max_nodes'?"),
        ({"limits": {"max_nodes": 0}}, "limits.max_nodes: 0 is not a number of nodes; expected at least 1"),
        ({"limits": {"max_share": "half"}}, "limits.max_share: 'half' is not a share; expected something like 50%"),
        ({"limits": {"max_duration": "long"}}, "limits.max_duration: 'long' is not a duration"),
        ({"stop": [{"succes": "text"}]}, "stop[0]: unknown field 'succes'; did you mean 'success'?"),
        ({"stop": [{"below": 1}]}, "stop[0]: expected either `success:` (a journey, or all) or `promql:`"),
        ({"stop": [{"success": "text"}]}, "stop[0]: `success:` needs `below:`, e.g. below: 50%"),
        ({"stop": [{"success": "text", "below": "half"}]}, "stop[0]: below: 'half' is not a figure"),
        ({"stop": [{"success": "text", "below": 1, "over": "10min"}]}, "stop[0]: over: '10min' is outside of what is"),
        ({"stop": [{"success": "text", "below": 1, "for": "long"}]}, "stop[0]: for: 'long' is not a duration"),
        ({"stop": [{"promql": "up"}]}, "stop[0]: `promql:` needs `below:` or `above:`"),
        ({"stop": [{"promql": "up", "below": 1}]}, "stop[0]: promql needs a node of component 'prometheus'"),
        ({"stop": [{"success": "x", "below": 1, "when": {"postur": "x"}}]}, "stop[0].when: no setting called 'postur'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_in_words(tmp_path: Path, over: dict[str, Any], says: str) -> None:
    """Each with its place and what was expected."""
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, **over)
    assert says in str(e.value)


def test_leaving_checks_out_does_not_take_a_guard_away(tmp_path: Path) -> None:
    """`--without promql` is about what is judged; a run without its stop condition is another run."""
    with pytest.raises(BadExperiment, match="take this condition out of the file"):
        planned(tmp_path, without="promql", stop=[{"promql": "up", "below": 1}])
