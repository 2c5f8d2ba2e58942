"""Experiment files and plans: one seed, one plan; every problem is named with its place and its fix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from chaos import experiment, planning, registry
from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.plan import Plan
from chaos.reports.plan import render
from chaos.store import pretty
from chaos.targets.boxed import Boxed
from chaos.targets.compose import Compose
from chaos.targets.memory import Memory
from chaos.targets.process import Process

NODES = [Node(f"{c}-{z}", c, z, labels={"chaos.tier": "1"}) for c in ("chat", "db", "cache", "web") for z in "abc"]
SETTINGS = {"posture": "as-was", "boot_lanes": 1, "short": False}
DOC: dict[str, Any] = {
    "name": "made-up",
    "claim": "Nothing happens.",
    "load": {"users": "users/x.py", "count": 5, "rate": "10/s", "floor": "5/s"},
    "timeline": [{"at": "1s", "for": "2s", "fault": "kill", "where": {"zone": "a"}}],
    "checks": [],
}


def planned(
    tmp_path: Path,
    seed: int = 7,
    settings: Mapping[str, Any] = SETTINGS,
    without: str = "",
    target: Memory | None = None,
    **over: Any,
) -> Plan:
    file = tmp_path / "made-up.yaml"
    file.write_text(yaml.safe_dump(DOC | over))
    made = experiment.read(file)
    choices = planning.Choices(seed, settings, {}, frozenset(without.split()), postures=("as-was", "remedied"))
    return planning.plan("made-up.yaml", made, target or Memory(NODES), choices)


def step(**over: Any) -> dict[str, Any]:
    return {"timeline": [DOC["timeline"][0] | over]}


def test_a_plan_that_breaks_nothing_says_so(tmp_path: Path) -> None:
    """A timeline that is switched off looks like one that was forgotten."""
    assert "nothing is broken" in render(planned(tmp_path, **step(when={"posture": "remedied"})))
    assert "nothing is broken" not in render(planned(tmp_path))


def test_one_seed_gives_one_plan_and_other_seeds_give_others(tmp_path: Path) -> None:
    """Byte for byte, and every node can be the one."""
    choice = step(where={"pick": 1})
    assert pretty(planned(tmp_path, 3, **choice)) == pretty(planned(tmp_path, 3, **choice))
    picked = {planned(tmp_path, seed, **choice).steps[0].nodes for seed in range(200)}
    assert len(picked) == len(NODES)


def test_selectors_choose_by_label_share_and_exception(tmp_path: Path) -> None:
    """zone, component lists, any label, unions, share of what matches, and all but a former step's nodes."""
    kill = {"at": "1s", "for": "1s", "fault": "kill"}
    wheres: dict[str, Any] = {
        "one": [{"name": "db-a"}, {"zone": "a", "share": "50%"}],
        "two": {"zone": "a", "except": "one"},
        "three": {"component": ["chat", "db"], "tier": "1", "zone": "b"},
    }
    made = planned(tmp_path, timeline=[{**kill, "id": name, "where": where} for name, where in wheres.items()])
    chosen = {s.id: set(s.nodes) for s in made.steps}
    one, two, three = (chosen[name] for name in wheres)
    in_a = {n.name for n in NODES if n.zone == "a"}
    assert "db-a" in one and len(one) in {2, 3} and one | two == in_a and not one & two
    assert three == {"chat-b", "db-b"}


def test_incident_time_becomes_run_time(tmp_path: Path) -> None:
    """Timeline and checks are scaled; steady, recover and hold are run time."""
    checks = [{"recovery": {"journey": "text", "within": "4h"}}]
    made = planned(tmp_path, scale=3600, recover="20s", checks=checks, **step(at="0.55h", **{"for": "9.45h"}))
    assert (made.steps[0].at, made.steps[0].end, made.length) == (0.55, 10.0, 10.0)
    assert (made.recover, made.hold) == (20.0, 2.0)
    assert made.checks[0].params["within"] == 4.0


def test_a_plant_brings_nodes_back_by_seat_power_and_lane(tmp_path: Path) -> None:
    """Each node's release is its unit's; more lanes are quicker; what waits for power gains nothing."""
    plant = {
        "units": 4, "servers": 400, "boot": "100/h", "lanes": "${boot_lanes}",
        "power": {"10h": "0%", "11h": "75%", "20h": "100%"}, "seats": {"chat": 1, "db": 4},
    }  # fmt: skip
    blow = {"timeline": [{"at": "1h", "fault": "power", "where": {"zone": "a"}, "until": "plant"}]}
    by_lanes = {}
    for lanes in (1, 4):
        made = planned(tmp_path, settings=SETTINGS | {"boot_lanes": lanes}, scale=3600, plant=plant, **blow)
        by_lanes[lanes] = {name: r.t for r in made.steps[0].releases for name in r.nodes}
    assert by_lanes[1]["chat-a"] == pytest.approx(10 + 1 / 3 + 1, abs=1e-5)
    assert by_lanes[1]["db-a"] == by_lanes[4]["db-a"] == pytest.approx(21)
    assert all(by_lanes[4][name] <= by_lanes[1][name] for name in by_lanes[1])


def test_conditions_leave_lines_and_gaps_out(tmp_path: Path) -> None:
    """`when` on a line, a check and a known gap follows the settings."""
    line = DOC["timeline"][0]
    checks = [
        {"availability": {"journey": "x", "at_least": "99%"}, "when": {"posture": "remedied"}},
        {
            "recovery": {"journey": "text", "within": "1s"},
            "known_gap": {"why": "burned", "when": {"posture": "as-was"}},
        },
    ]
    made = planned(tmp_path, checks=checks, timeline=[line, line | {"when": {"boot_lanes": [2, 3]}}])
    assert len(made.steps) == 1
    assert [(c.check, c.known_gap) for c in made.checks] == [("recovery", "burned")]
    better = planned(tmp_path, settings=SETTINGS | {"posture": "remedied"}, checks=checks)
    assert [(c.check, c.known_gap) for c in better.checks] == [("availability", ""), ("recovery", "")]


def test_promql_without_a_prometheus_is_refused_unless_left_out(tmp_path: Path) -> None:
    """The refusal says both ways out; leaving it out is written into the plan."""
    checks = [{"promql": {"expr": "up", "at_least": 1}}]
    with pytest.raises(BadExperiment, match="--without promql"):
        planned(tmp_path, checks=checks)
    assert planned(tmp_path, checks=checks, without="promql").left_out == ("promql (checks[0]): --without promql",)


@pytest.mark.parametrize(
    ("over", "says"),
    [
        (step(fault="kil"), "timeline[0]: no fault called 'kil'; did you mean 'kill'?"),
        (step(where={"zone": "z"}), "timeline[0]: where {zone: z} matches no node; nodes are cache-a, "),
        (step(where={"zoen": "a"}), "no node has a label 'zoen'; did you mean 'zone'?"),
        (step(where={"zone": "a", "pick": 9}), "pick: 9 of the 4 nodes that match; expected 1 to 4"),
        (step(where={"except": "one"}), "except: no earlier step called 'one'"),
        (step(**{"with": {"signl": "TERM"}}), "kill has no parameter 'signl'; did you mean 'signal'?"),
        (step(**{"with": {"signal": "HUPP"}}), "kill.signal: Invalid enum value 'HUPP'"),
        (step(at="soon"), "timeline[0].at: 'soon' is not a duration; expected something like 250ms"),
        (step(att="1s"), "timeline[0]: unknown field 'att'; did you mean 'at'?"),
        (step(until="dawn"), "only `until: plant` is known"),
        (step(until="plant"), "`until: plant` needs a `plant:` block"),
        (step(when={"postur": "x"}), "no setting called 'postur'; did you mean 'posture'?"),
        (step(when={"posture": "asis"}), "timeline[0].when: posture: found 'asis', expected one of as-was, remedied"),
        (step(when={"boot_lanes": "one"}), "timeline[0].when: boot_lanes: found 'one', expected something like 1"),
        (step(when={"short": 0}), "timeline[0].when: short: found 0, expected something like False"),
        ({"checks": [{"availability": {"at_least": "101%"}}]}, "availability.at_least: found 1.01, expected 0 to 1"),
        ({"checks": [{"sessions": {"client": "web", "at_least": -1}}]}, "sessions.at_least: found -1"),
        ({"checks": [{"delivery": {"lost": -3}}]}, "checks[0]: delivery: found -3, expected how many are borne"),
        ({"load": DOC["load"] | {"count": 0}}, "load: found 0 users at 10/s, expected at least 1"),
        ({"load": DOC["load"] | {"floor": "11/s"}}, "load.floor: found 11/s, expected no more than the rate, 10/s"),
        ({"timeline": [{"at": "1s", "do": "promote", "where": {"zone": "a"}}]}, "no operation called 'promote' under"),
        ({"timeline": [{"at": "1s"}]}, "expected either `fault:` or `do:`"),
        ({"timeline": DOC["timeline"] * 2}, "are both kill on cache-a at the same time"),
        ({"checks": [{"availabilty": {}}]}, "no checker called 'availabilty'; did you mean 'availability'?"),
        ({"checks": [{"availability": {"at_lest": "9%"}}]}, "has no parameter 'at_lest'; did you mean 'at_least'?"),
        ({"load": {"users": "x", "count": 5, "rate": "10/s"}}, "load: missing field 'floor'"),
        ({"load": DOC["load"] | {"rate": 10}}, "load: Expected 'str', got 'int' (at rate)"),
        ({"clame": "x"}, "unknown field 'clame'; did you mean 'claim'?"),
        ({"scale": "fast"}, "Expected 'float', got 'str' (at scale)"),
    ],
)  # fmt: skip
def test_errors_say_where_what_and_what_to_do(tmp_path: Path, over: dict[str, Any], says: str) -> None:
    """Each wrong input of its kind has its own words."""
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, **over)
    assert says in str(e.value)
    assert e.value.exit_code == 64


def test_all_problems_come_in_one_message(tmp_path: Path) -> None:
    """A file is mended in one go."""
    lines = [DOC["timeline"][0] | {"fault": "kil"}, DOC["timeline"][0] | {"where": {"zone": "z"}}]
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, timeline=lines, checks=[{"nothing": {}}])
    assert len(e.value.problems) == 3


def test_a_target_that_cannot_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    """The refusal names the capability and the target's own reason."""

    class Weak:
        name = "weak"
        lacks: Mapping[str, str] = {"CanPower": "no network namespaces here"}
        nodes = Memory(NODES).nodes
        up = down = heal = residue = healthy = logs = None

    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(DOC | step(fault="power")))
    with pytest.raises(BadExperiment, match=r"power needs a target that can cut links.*no network namespaces here"):
        planning.plan("x.yaml", experiment.read(file), Weak(), planning.Choices(1, SETTINGS, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: [1", ":1:"), ("- 1", "expected a mapping"), ("\tname: x", "not valid YAML")],
)
def test_a_file_that_is_not_an_experiment_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    """Broken YAML names line and column."""
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(BadExperiment) as e:
        experiment.read(file)
    assert says in str(e.value) and str(file) in str(e.value)


def test_the_short_form_lies_over_the_file(tmp_path: Path) -> None:
    """--short replaces what `short:` names, deep, and nothing else."""
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(DOC | {"steady": {"for": "10s"}, "short": {"scale": 60, "steady": {"for": "2s"}}}))
    assert (experiment.read(file).scale, experiment.read(file).steady.lasts) == (1.0, "10s")
    assert (experiment.read(file, short=True).scale, experiment.read(file, short=True).steady.lasts) == (60, "2s")


def test_the_other_side_of_a_link_is_selected_too(tmp_path: Path) -> None:
    """`with: {to: …}` chooses as `where` does, and nobody is cut off from himself."""
    made = planned(tmp_path, **step(fault="partition", where={"zone": "a"}, **{"with": {"to": {"component": "db"}}}))
    assert made.steps[0].params["to"] == ["db-a", "db-b", "db-c"]
    with pytest.raises(BadExperiment, match=r"with\.to: {zone: a} selects nobody but those of `where`"):
        planned(tmp_path, **step(fault="delay", where={"zone": "a"}, **{"with": {"to": {"zone": "a"}, "ms": 5}}))
    with pytest.raises(BadExperiment, match=r"with\.to: found \[db-a\], expected a selector as under `where`"):
        planned(tmp_path, **step(fault="partition", where={"zone": "a"}, **{"with": {"to": ["db-a"]}}))
    with pytest.raises(BadExperiment, match=r"with\.to.* matches no node"):
        planned(tmp_path, **step(fault="partition", where={"zone": "a"}, **{"with": {"to": {"zone": "x"}}}))


def test_faults_of_the_network_may_overlap_where_they_differ(tmp_path: Path) -> None:
    """Two delays on one node add up; the same one twice would end with the first."""
    one = {"at": "1s", "for": "2s", "fault": "delay", "where": {"zone": "a"}, "with": {"ms": 5}}
    assert len(planned(tmp_path, timeline=[one, one | {"with": {"ms": 9}}]).steps) == 2
    with pytest.raises(BadExperiment, match="at the same time"):
        planned(tmp_path, timeline=[one, one | {"id": "again"}])


def test_a_plant_gives_no_group_back_piece_by_piece(tmp_path: Path) -> None:
    """A zone that is cut off as one group ends being so for all of it at once."""
    with pytest.raises(BadExperiment, match="zone-cut ends for all at once"):
        planned(tmp_path, timeline=[{"at": "1s", "until": "plant", "fault": "zone-cut", "where": {"zone": "a"}}])


def test_a_plan_says_what_each_step_uses(tmp_path: Path) -> None:
    """In the target's words, and by what the fault does to the network; once for all steps that use the same."""

    class Wordy(Memory):
        backends: ClassVar[Mapping[str, str]] = {"CanKill": "the signal", "drop": "drop rules", "queue": "a queue"}

    where = {"where": {"zone": "a"}, "at": "1s", "for": "1s"}
    faults: list[dict[str, Any]] = [{"fault": "kill"}, {"fault": "isolate"}, {"fault": "delay", "with": {"ms": 9}}]
    made = planned(tmp_path, target=Wordy(NODES), timeline=[{**where, **fault} for fault in faults])
    assert [s.backend for s in sorted(made.steps, key=lambda s: s.id)] == ["a queue", "drop rules", "the signal"]
    text = render(made)
    assert "uses\n" in text and "  kill-1: the signal\n" in text and "  isolate-2: drop rules\n" in text
    assert "uses\n" not in render(planned(tmp_path)), "the memory target has nothing to say"


def test_every_capability_that_a_target_has_says_what_it_uses() -> None:
    """A plan must not be silent about a step."""
    for target in (Process, Boxed, Compose):
        for name in registry.names("chaos.faults"):
            cls = registry.load("chaos.faults", name)
            if isinstance(object.__new__(target), cls.needs):  # asked as the planner asks
                assert target.backends[getattr(cls, "backend", cls.needs.__name__)], f"{name} on {target.__name__}"
