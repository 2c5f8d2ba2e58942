"""Limits and stop conditions while planning: who may be hit, how many, for how long, and what ends a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment.plan import Plan
from chaos.model import Node
from chaos.report import plan as report
from chaos.targets.memory.target import Memory
from tests.messages import Says, lines
from tests.unit.experiment.test_planning import DOC, SETTINGS, step
from tests.unit.experiment.test_planning import NODES as LABELLED

STRANGER = Node("redis", "redis", "", labels={"com.example": "x"})
WITH_PROMETHEUS = [*LABELLED, Node("prom", "prometheus", "b", labels={"chaos.component": "prometheus"})]


def planned(tmp_path: Path, nodes: list[Node] = LABELLED, without: str = "", **over: Any) -> Plan:
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(DOC | {"name": "x"} | over))
    choices = planning.Choices(7, SETTINGS, {}, frozenset(without.split()), postures=("as-was", "remedied"))
    return planning.plan("x.yaml", experiments.read(file), Memory(nodes), choices)


def test_a_plan_within_its_limits_says_how_far_it_goes(tmp_path: Path, says: Says) -> None:
    """Four nodes of twelve for three seconds: limits of exactly that are kept, and printed beside what is reached."""
    limits = {"max_nodes": 4, "max_share": "34%", "max_duration": "3s"}
    made = planned(tmp_path, limits=limits)
    assert made.limits == {"max_nodes": 4, "max_share": 0.34, "max_duration": 3.0}
    says(lines(report.render(made), "limits: "))


def test_every_limit_that_is_exceeded_is_named_in_one_message(tmp_path: Path, says: Says) -> None:
    """With what was found, what is allowed and what to do, beside the problems of the rest of the file."""
    with says.raises(BadExperiment) as e:
        planned(tmp_path, limits={"max_nodes": 3, "max_share": "25%", "max_duration": "2s"}, checks=[{"nothing": {}}])
    places = [p.split(": ")[1] for p in e.value.problems]
    assert places == ["limits.max_nodes", "limits.max_share", "limits.max_duration", "checks[0]"]


def test_a_node_that_several_faults_hit_counts_once(tmp_path: Path, says: Says) -> None:
    """Two faults on the same four nodes are four nodes; one on others makes it more."""
    two = [DOC["timeline"][0], DOC["timeline"][0] | {"fault": "pause"}]
    assert planned(tmp_path, limits={"max_nodes": 4}, timeline=two).limits
    other = DOC["timeline"][0] | {"fault": "pause", "where": {"name": "db-b"}}
    with says.raises(BadExperiment):
        planned(tmp_path, limits={"max_nodes": 4}, timeline=[*two, other])


def test_the_longest_duration_is_written_like_the_timeline(tmp_path: Path, says: Says) -> None:
    """In incident time where there is a scale."""
    over = step(at="1h", **{"for": "2h"}) | {"scale": 3600}
    assert planned(tmp_path, limits={"max_duration": "3h"}, **over).limits == {"max_duration": 3.0}
    with says.raises(BadExperiment):
        planned(tmp_path, limits={"max_duration": "2.5h"}, **over)


@pytest.mark.parametrize(
    "where", [{"component": "redis"}, {"pick": 1}, {"share": "10%"}, [{"zone": "a"}, {"component": "redis"}]], ids=str
)
def test_a_node_without_our_labels_is_hit_only_by_name(tmp_path: Path, where: Any, says: Says) -> None:
    """Whatever the seed draws: the refusal says how to label, name or spare it."""
    with says.raises(BadExperiment):
        planned(tmp_path, [*LABELLED, STRANGER], **step(where=where))


def test_a_named_or_spared_stranger_is_in_order(tmp_path: Path) -> None:
    """`name: redis` says that it may be broken, `except` that it may not; one that misses it says nothing."""
    nodes = [*LABELLED, STRANGER]
    assert planned(tmp_path, nodes, **step(where={"name": ["redis", "db-a"]})).steps[0].nodes == ("db-a", "redis")
    assert len(planned(tmp_path, nodes, **step(where={"zone": "a"})).steps[0].nodes) == 4
    everybody_else = {"pick": 12, "except": {"name": "redis"}}
    assert "redis" not in planned(tmp_path, nodes, **step(where=everybody_else)).steps[0].nodes


def test_operators_do_not_reach_strangers_either(tmp_path: Path, says: Says) -> None:
    """What runs a command inside a node changes it as well."""
    line = {"at": "1s", "do": "x", "where": {"component": "redis"}}
    with says.raises(BadExperiment):
        planned(tmp_path, [*LABELLED, STRANGER], timeline=[line], operators={"x": {"exec": ["true"]}})


def test_stop_conditions_stand_in_the_plan_in_words(tmp_path: Path, says: Says) -> None:
    """A success rate and an expression, with their figures and times, run time whatever the scale."""
    users = {"success": "text", "below": "50%", "over": "8s", "for": "3s"}
    stop = [users, {"promql": "sum(up)", "below": 3, "above": 9}]
    made = planned(tmp_path, WITH_PROMETHEUS, stop=stop, scale=60, **step(at="1min", **{"for": "2min"}))
    assert [(s.id, s.kind, s.below, s.above, s.over, s.lasts) for s in made.stops] == [
        ("stop-1", "success", 0.5, None, 8.0, 3.0), ("stop-2", "promql", 3.0, 9.0, 5.0, 0.0),
    ]  # fmt: skip
    says(lines(report.render(made), "stops when "))


def test_a_stop_condition_follows_the_settings(tmp_path: Path) -> None:
    """`when`, as on a line of the timeline."""
    stop = [{"success": "all", "below": 0.5, "when": {"posture": "remedied"}}]
    assert planned(tmp_path, stop=stop).stops == ()


@pytest.mark.parametrize(
    "over",
    [
        {"limits": {"max_node": 3}},
        {"limits": {"max_nodes": 0}},
        {"limits": {"max_share": "half"}},
        {"limits": {"max_duration": "long"}},
        {"stop": [{"succes": "text"}]},
        {"stop": [{"below": 1}]},
        {"stop": [{"success": "text"}]},
        {"stop": [{"success": "text", "below": "half"}]},
        {"stop": [{"success": "text", "below": 1, "over": "10min"}]},
        {"stop": [{"success": "text", "below": 1, "for": "long"}]},
        {"stop": [{"promql": "up"}]},
        {"stop": [{"promql": "up", "below": 1}]},
        {"stop": [{"success": "x", "below": 1, "when": {"postur": "x"}}]},
    ], ids=str,
)  # fmt: skip
def test_what_cannot_be_meant_is_said_in_words(tmp_path: Path, over: dict[str, Any], says: Says) -> None:
    """Each with its place and what was expected."""
    with says.raises(BadExperiment):
        planned(tmp_path, **over)


def test_leaving_checks_out_does_not_take_a_stop_condition_away(tmp_path: Path, says: Says) -> None:
    """`--without promql` is about what is judged; a run without its stop condition is another run."""
    with says.raises(BadExperiment):
        planned(tmp_path, without="promql", stop=[{"promql": "up", "below": 1}])
