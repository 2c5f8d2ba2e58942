"""Experiment files and plans: one seed, one plan; every problem is named with its place and its fix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment import stack as stack_file
from chaos.experiment import stack as stackfile
from chaos.experiment.plan import Plan
from chaos.model import Node
from chaos.protocols.capabilities import CUT, KILL, POWER, SHAPE
from chaos.protocols.table import Table
from chaos.record.store import pretty
from chaos.report.plan import render
from chaos.targets.compose.target import Compose
from chaos.targets.memory.target import Memory
from chaos.targets.process.target import Process
from tests.messages import Says

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
    made = experiments.read(file)
    choices = planning.Choices(seed, settings, {}, frozenset(without.split()), postures=("as-was", "remedied"))
    return planning.plan("made-up.yaml", made, target or Memory(NODES), choices)


def step(**over: Any) -> dict[str, Any]:
    return {"timeline": [DOC["timeline"][0] | over]}


def test_a_plan_that_breaks_nothing_says_so(tmp_path: Path) -> None:
    """A timeline that is switched off looks like one that was forgotten."""
    assert "no faults:" in render(planned(tmp_path, **step(when={"posture": "remedied"})))
    assert "no faults:" not in render(planned(tmp_path))


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
    blow: dict[str, Any] = {"timeline": [{"at": "1h", "fault": "power", "where": {"zone": "a"}, "until": "plant"}]}
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
    assert [(c.check, c.xfail) for c in made.checks] == [("recovery", "burned")]
    better = planned(tmp_path, settings=SETTINGS | {"posture": "remedied"}, checks=checks)
    assert [(c.check, c.xfail) for c in better.checks] == [("availability", ""), ("recovery", "")]


def test_promql_without_a_prometheus_is_refused_unless_left_out(tmp_path: Path, says: Says) -> None:
    """The refusal says both ways out; leaving it out is written into the plan."""
    checks = [{"promql": {"expr": "up", "at_least": 1}}]
    with says.raises(BadExperiment):
        planned(tmp_path, checks=checks)
    (left_out,) = planned(tmp_path, checks=checks, without="promql").left_out
    says(left_out)


@pytest.mark.parametrize(
    "over",
    [
        step(fault="kil"),
        step(where={"zone": "z"}),
        step(where={"name": ["cache-a", "cache-aa"]}),
        step(where={"zone": "a", "except": {"zone": "z"}}),
        step(where={"zoen": "a"}),
        step(where={"zone": "a", "pick": 9}),
        step(where={"except": "one"}),
        step(**{"with": {"signl": "TERM"}}),
        step(**{"with": {"signal": "HUPP"}}),
        step(at="soon"),
        step(att="1s"),
        step(until="dawn"),
        step(until="plant"),
        step(when={"postur": "x"}),
        step(when={"posture": "asis"}),
        step(when={"boot_lanes": "one"}),
        step(when={"short": 0}),
        {"checks": [{"availability": {"at_least": "101%"}}]},
        {"checks": [{"sessions": {"client": "web", "at_least": -1}}]},
        {"checks": [{"delivery": {"lost": -3}}]},
        {"load": DOC["load"] | {"count": 0}},
        {"load": DOC["load"] | {"floor": "11/s"}},
        {"timeline": [{"at": "1s", "do": "promote", "where": {"zone": "a"}}]},
        {"timeline": [{"at": "1s"}]},
        {"timeline": DOC["timeline"] * 2},
        {"checks": [{"availabilty": {}}]},
        {"checks": [{"availability": {"at_lest": "9%"}}]},
        {"load": {"users": "x", "count": 5, "rate": "10/s"}},
        {"load": DOC["load"] | {"rate": 10}},
        {"clame": "x"},
        {"scale": "fast"},
    ], ids=str,
)  # fmt: skip
def test_errors_say_where_what_and_what_to_do(tmp_path: Path, over: dict[str, Any], says: Says) -> None:
    """Each wrong input of its kind has its own words."""
    with says.raises(BadExperiment) as e:
        planned(tmp_path, **over)
    assert e.value.exit_code == 64


NOBODY: list[Any] = [None, {}, [], [{}], [{"zone": "a"}, {}], "everybody", "zone", 7, True]


@pytest.mark.parametrize("where", NOBODY, ids=str)
def test_a_line_says_whom_it_means(tmp_path: Path, where: Any, says: Says) -> None:
    """Of faults and of what operators do; nothing that was left out or left empty hits every node."""
    operators: dict[str, Any] = {"operators": {"promote": {"exec": ["true"]}}}
    for line in ({"fault": "kill", "for": "2s"}, {"do": "promote"}):
        with says.raises(BadExperiment) as e:
            planned(tmp_path, **operators, timeline=[{"at": "1s", "where": where, **line}])
        assert e.value.exit_code == 64
    without = {k: v for k, v in DOC["timeline"][0].items() if k != "where"}
    with says.raises(BadExperiment):
        planned(tmp_path, timeline=[without])


def test_every_node_is_hit_where_that_is_said(tmp_path: Path, says: Says) -> None:
    """`where: all`; the other side of a link has no such word, for without `to` it is everybody else."""
    assert planned(tmp_path, **step(where="all")).steps[0].nodes == tuple(sorted(n.name for n in NODES))
    with says.raises(BadExperiment):
        planned(tmp_path, **step(fault="delay", **{"with": {"to": "all", "ms": 5}}))


@pytest.mark.parametrize("share", ["5%", 0.12, "0%", "0.1%"])
def test_a_share_that_comes_to_nobody_says_so(tmp_path: Path, share: Any, says: Says) -> None:
    """12.6 % of four nodes is one; less is none, also beside another selector that finds some."""
    for where in ({"zone": "a", "share": share}, [{"zone": "a", "share": share}, {"zone": "b"}]):
        with says.raises(BadExperiment):
            planned(tmp_path, **step(where=where))
    assert len(planned(tmp_path, **step(where={"zone": "a", "share": "13%"})).steps[0].nodes) == 1
    with says.raises(BadExperiment):
        planned(tmp_path, **step(where={"zone": "a", "share": "120%"}))


def test_a_selector_that_finds_nobody_says_what_there_is(tmp_path: Path, says: Says) -> None:
    """Labels with their values, and nodes."""
    for where in ({"zone": "z"}, {"zone": "a", "component": "mail"}, {"tier": 2}, {"zone": "A"}):
        with says.raises(BadExperiment) as e:
            planned(tmp_path, **step(where=where))
        assert len(e.value.problems) == 1


ODD = ["no", "yes", "on", "01", "1", "1.0", "1e3", "0x1f", "true", "True", "null", "~", "1_000", "12:30", "2022-10-15"]


@pytest.mark.parametrize("label", ODD)
def test_a_label_is_text_on_both_sides(tmp_path: Path, label: str) -> None:
    """As both files have it, whatever YAML would make of it: nobody's 1 is another's 01."""
    services = "".join(
        f"  s{n}: {{image: x, command: x, labels: {{chaos.zone: {text}, chaos.component: c}}}}\n"
        for n, text in enumerate(ODD)
    )
    (tmp_path / "docker-compose.yml").write_text(f"services:\n{services}")
    stack = stack_file.read(tmp_path / "docker-compose.yml")
    file = tmp_path / "made-up.yaml"
    text = yaml.safe_dump({k: v for k, v in DOC.items() if k != "timeline"})
    file.write_text(f"{text}timeline:\n- {{at: 1s, for: 2s, fault: kill, where: {{zone: [{label}]}}}}\n")
    choices = planning.Choices(7, SETTINGS, {})
    made = planning.plan("made-up.yaml", experiments.read(file), Memory(stack.nodes), choices)
    same = [f"s{n}" for n, text in enumerate(ODD) if text == label or {text, label} <= {"null", "~"}]
    assert list(made.steps[0].nodes) == same


@pytest.mark.parametrize(
    ("over", "place"),
    [
        (step(**{"for": "0s"}), "timeline[0].for"), (step(**{"for": "0.0h"}), "timeline[0].for"),
        (step(**{"for": "1ms"}) | {"scale": 36000}, "timeline[0].for"), (step(at="-1s"), "timeline[0].at"),
        (step(every="0s"), "timeline[0].every"), (step(where={"zone": "a", "pick": True}), "pick"),
        (step(where={"zone": "a", "pick": 1.5}), "pick"), (step(where={"zone": "a", "pick": "1"}), "pick"),
        (step(where={"zone": "a", "share": True}), "share"),
        ({"scale": 0}, "scale"), ({"scale": -1}, "scale"), ({"scale": float("nan")}, "scale"),
        ({"scale": float("inf")}, "scale"), ({"scale": True}, "scale"),
        *(
            ({"operators": {"x": {"exec": ["x"]}}, "timeline": [{"at": "1s", "do": "x", "where": "all", **one}]}, word)
            for word, one in (("for", {"for": "2s"}), ("until", {"until": "plant"}), ("every", {"every": "1s"}),
                              ("with", {"with": {"ms": 5}}))
        ),
        ({"operators": {"act": {"exec": []}}, "timeline": [{"at": "1s", "do": "act", "where": "all"}]}, "act.exec"),
    ],
)  # fmt: skip
def test_what_cannot_do_anything_is_refused(tmp_path: Path, over: dict[str, Any], place: str) -> None:
    """While planning, with its place."""
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, **over)
    assert place in str(e.value) and e.value.exit_code == 64


def test_a_plant_whose_power_never_comes_back_is_refused(tmp_path: Path, says: Says) -> None:
    """A release at infinity is none."""
    plant = {"units": 4, "servers": 400, "boot": "100/h", "lanes": 1, "power": {"10h": "0%", "11h": "75%"}}
    with says.raises(BadExperiment):
        planned(
            tmp_path,
            scale=3600,
            plant=plant,
            timeline=[{"at": "1h", "fault": "power", "where": "all", "until": "plant"}],
        )


def test_all_problems_come_in_one_message(tmp_path: Path) -> None:
    """A file is mended in one go."""
    lines = [DOC["timeline"][0] | {"fault": "kil"}, DOC["timeline"][0] | {"where": {"zone": "z"}}]
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, timeline=lines, checks=[{"nothing": {}}])
    assert len(e.value.problems) == 3


def test_a_target_that_cannot_is_refused_before_anything_is_touched(tmp_path: Path, says: Says) -> None:
    """The refusal names the capability and the target's own reason."""

    class Weak(Memory):
        name = "weak"

        @property
        def can(self) -> Table:
            return Table(POWER.refused("no network namespaces here", "allow them"))

    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(DOC | {"name": "x"} | step(fault="power")))
    with says.raises(BadExperiment):
        planning.plan("x.yaml", experiments.read(file), Weak(NODES), planning.Choices(1, SETTINGS, {}))


@pytest.mark.parametrize(
    "text",
    ["a: [1", "- 1", "\tname: x"],
)
def test_a_file_that_is_not_an_experiment_is_refused_with_its_line(tmp_path: Path, text: str, says: Says) -> None:
    """Broken YAML names line and column."""
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with says.raises(BadExperiment) as e:
        experiments.read(file)
    assert str(file) in str(e.value)


def test_the_short_form_lies_over_the_file(tmp_path: Path) -> None:
    """--short replaces what `short:` names, deep, and nothing else."""
    file = tmp_path / "made-up.yaml"
    over = {"steady": {"for": "10s"}, "short": {"scale": 60, "steady": {"for": "2s"}}}
    file.write_text(yaml.safe_dump(DOC | over))
    assert (experiments.read(file).scale, experiments.read(file).steady.lasts) == (1.0, "10s")
    assert (experiments.read(file, short=True).scale, experiments.read(file, short=True).steady.lasts) == (60, "2s")


def test_the_other_side_of_a_link_is_selected_too(tmp_path: Path, says: Says) -> None:
    """`with: {to: …}` chooses as `where` does, and nobody is cut off from himself."""
    made = planned(tmp_path, **step(fault="partition", where={"zone": "a"}, **{"with": {"to": {"component": "db"}}}))
    assert made.steps[0].params["to"] == ["db-a", "db-b", "db-c"]
    with says.raises(BadExperiment):
        planned(tmp_path, **step(fault="delay", where={"zone": "a"}, **{"with": {"to": {"zone": "a"}, "ms": 5}}))
    with says.raises(BadExperiment):
        planned(tmp_path, **step(fault="partition", where={"zone": "a"}, **{"with": {"to": ["db-a"]}}))
    with says.raises(BadExperiment):
        planned(tmp_path, **step(fault="partition", where={"zone": "a"}, **{"with": {"to": {"zone": "x"}}}))


def test_faults_of_the_network_may_overlap_where_they_differ(tmp_path: Path, says: Says) -> None:
    """Two delays on one node add up; the same one twice would end with the first."""
    one = {"at": "1s", "for": "2s", "fault": "delay", "where": {"zone": "a"}, "with": {"ms": 5}}
    assert len(planned(tmp_path, timeline=[one, one | {"with": {"ms": 9}}]).steps) == 2
    with says.raises(BadExperiment):
        planned(tmp_path, timeline=[one, one | {"id": "again"}])


def test_a_plant_gives_no_group_back_piece_by_piece(tmp_path: Path, says: Says) -> None:
    """A zone that is cut off as one group ends being so for all of it at once."""
    with says.raises(BadExperiment):
        planned(tmp_path, timeline=[{"at": "1s", "until": "plant", "fault": "zone-cut", "where": {"zone": "a"}}])


def test_a_plan_says_what_each_step_uses(tmp_path: Path, says: Says) -> None:
    """In the target's words, and by what the fault does to the network; once for all steps that use the same."""

    def saying(words: str) -> Memory:
        found: Memory = type("Said", (Memory,), {"backend": words})(NODES)
        return found

    class Wordy(Memory):
        @property
        def can(self) -> Table:
            rows = KILL.by(saying("the signal")), CUT.by(saying("drop rules")), SHAPE.by(saying("a queue"))
            return Table(*rows)

    where = {"where": {"zone": "a"}, "at": "1s", "for": "1s"}
    faults: list[dict[str, Any]] = [{"fault": "kill"}, {"fault": "isolate"}, {"fault": "delay", "with": {"ms": 9}}]
    made = planned(tmp_path, target=Wordy(NODES), timeline=[{**where, **fault} for fault in faults])
    assert [s.backend for s in sorted(made.steps, key=lambda s: s.id)] == ["a queue", "drop rules", "the signal"]
    says(render(made).partition("uses\n")[2].partition("\n\n")[0])
    assert "uses\n" not in render(planned(tmp_path)), "the memory target has nothing to say"


def test_every_capability_that_a_target_has_says_what_it_uses() -> None:
    """A plan must not be silent about a step."""
    stack = stackfile.read(Path(__file__).parents[2] / "contract" / "stack.yml")
    for target in (Process(stack), Compose(stack)):
        for name in registry.names("chaos.faults"):
            assert target.can.need(registry.load("chaos.faults", name).needs).backend, f"{name} on {target.name}"
