"""People who leave in a plan: chosen by the seed, what they orphan is selected, and every wrong word is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.cli.options import read_stack
from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment.plan import Peak, Plan
from chaos.faults.staff import Staff as Leaving
from chaos.incidents import carried
from chaos.incidents.staff.model import Roster
from chaos.incidents.staff.ownership import Staff
from chaos.model import Node
from chaos.protocols.capabilities import TELL
from chaos.report.plan import render
from chaos.targets.memory.target import Memory
from tests.messages import Says, lines
from tests.virtual import virtually

NODES = [Node(f"{c}-{z}", c, z, labels={"chaos.component": c}) for c in ("chat", "db", "care") for z in "ab"]
ROSTER = Roster(
    {"chat": ("ana", "bo"), "db": ("cy",), "care": ("dana",)},
    {"talk": ("ana", "bo"), "data": ("cy",), "night": ("zoe",)},
    {"chat": ("db",)},
    {"text": ("chat",)},
)
STAFF = Staff(ROSTER, "GONE", ("printenv", "GONE"), ("chat",))
LEAVE: dict[str, Any] = {"id": "out", "at": "1s", "for": "5s", "fault": "staff", "where": {"name": "care-a"}}
STOP: dict[str, Any] = {"id": "drop", "at": "2s", "for": "3s", "fault": "stop", "where": {"orphaned_by": "out"}}


def planned(
    tmp_path: Path, leave: Any, *more: dict[str, Any], seed: int = 7, staff: Staff | None = STAFF, **over: Any
) -> Plan:
    doc: dict[str, Any] = {
        "name": "x", "claim": "Nobody is missed.",
        "load": {"users": "users/x.py", "count": 5, "rate": "10/s", "floor": "5/s"},
        "timeline": [LEAVE | {"with": {"leave": leave}}, *more], "checks": [],
    }  # fmt: skip
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(doc | over))
    choices = planning.Choices(seed, {"posture": "p", "short": False}, {"staff": staff})
    return planning.plan("x.yaml", experiments.read(file), Memory(NODES), choices)


@pytest.mark.parametrize(
    ("leave", "gone"),
    [
        ({"people": ["cy"]}, ["cy"]),
        (["cy", "ana"], ["ana", "cy"]),
        ({"team": "talk"}, ["ana", "bo"]),
        ({"team": ["talk", "data"]}, ["ana", "bo", "cy"]),
        ({"share": "100%"}, ["ana", "bo", "cy", "dana"]),
    ],
)
def test_who_leaves_is_in_the_plan_by_name(tmp_path: Path, leave: Any, gone: list[str]) -> None:
    """With how the node is told, and the roster to judge it by."""
    made = planned(tmp_path, leave)
    assert made.steps[0].params == {"leave": gone, "variable": "GONE", "ask": ["printenv", "GONE"]}
    assert carried.staff(made).journeys == {"text": ("chat",)} and carried.staff(made).lapse == ("chat",)


def test_a_share_is_drawn_from_the_seed(tmp_path: Path) -> None:
    """The same for the same seed; over many seeds anybody may go."""
    assert planned(tmp_path, {"share": "50%"}, seed=3) == planned(tmp_path, {"share": "50%"}, seed=3)
    drawn = [planned(tmp_path, {"share": "25%"}, seed=seed).steps[0].params["leave"] for seed in range(40)]
    assert {who for (who,) in drawn} == set(ROSTER.people)


def test_what_is_orphaned_can_be_hit(tmp_path: Path) -> None:
    """All nodes of the components that nobody owns any more, less an exception."""
    assert planned(tmp_path, ["cy"], STOP).steps[1].nodes == ("db-a", "db-b")
    but = STOP | {"where": {"orphaned_by": "out", "except": [{"name": "db-a"}, {"component": "care"}]}}
    assert planned(tmp_path, ["cy", "dana"], but).steps[1].nodes == ("db-b",)


def test_where_nothing_is_orphaned_nothing_is_hit_and_the_plan_says_so(tmp_path: Path, says: Says) -> None:
    """One of two owners leaves. A later step may make an exception for the one that hits nobody."""
    later = STOP | {"id": "more", "where": {"name": "db-a", "except": ["drop"]}}
    made = planned(tmp_path, ["ana"], STOP, later)
    assert [s.id for s in made.steps] == ["out", "more"]
    assert len(made.left_out) == 1
    says(made.left_out[0])


@pytest.mark.parametrize(
    "leave",
    [
        ["cyy"],
        {"team": "tlak"},
        {"team": "night"},
        {"share": "0%"},
        {"share": "half"},
        {"share": "50%", "team": "talk"},
    ],
    ids=str,
)
def test_wrong_leavers_are_refused_in_words(tmp_path: Path, leave: Any, says: Says) -> None:
    """With the place in the file."""
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, leave)
    assert e.value.problems[0].startswith("x.yaml: timeline[0].with.leave")
    says(e.value)


def test_other_mistakes_with_people_are_refused_in_words(tmp_path: Path, says: Says) -> None:
    """No staff in the stack, nobody to tell, orphans of no such step."""
    with says.raises(BadExperiment):
        planned(tmp_path, ["cy"], staff=None)
    with says.raises(BadExperiment):
        planned(tmp_path, ["cy"], staff=Staff(ROSTER))
    with says.raises(BadExperiment):
        planned(tmp_path, ["cy"], STOP | {"where": {"orphaned_by": "ot"}})


def test_a_peak_is_in_run_time_and_more_than_the_rate(tmp_path: Path, says: Says) -> None:
    """Users are not scaled."""
    load = {"users": "users/x.py", "count": 5, "rate": "10/s", "floor": "5/s"}
    made = planned(tmp_path, ["cy"], scale=360, load=load | {"peak": {"at": "2s", "for": "3s", "times": 4}})
    assert made.load.peak == Peak(2.0, 5.0, 4.0)
    says(lines(render(made), "times as many"))
    with says.raises(BadExperiment):
        planned(tmp_path, ["cy"], load=load | {"peak": {"at": "2s", "for": "3s", "times": 0.5}})


def test_an_experiment_sets_knobs_of_the_stack_and_has_its_own(tmp_path: Path, says: Says) -> None:
    """The command line wins over both; a knob of the stack is not the experiment's to declare."""
    (tmp_path / "c.yaml").write_text(
        "x-chaos: {postures: {p: {chores: false, hands: 2}}}\n"
        "services: {a: {command: [x], environment: {N: '${HANDS}'}}}"
    )
    doc = {"name": "x", "claim": "c", "load": {"users": "u.py", "count": 1, "rate": "1/s", "floor": "1/s"},
           "timeline": [], "checks": [], "stack": {"set": {"chores": True, "hands": 3}},
           "knobs": {"arm": "one", "factor": 1}}  # fmt: skip

    def read(*sets: str) -> Any:
        file = tmp_path / "x.yaml"
        file.write_text(yaml.safe_dump(doc))
        return read_stack(tmp_path / "c.yaml", "process", experiments.read(file), None, sets)

    assert read().settings == {"posture": "p", "chores": True, "hands": 3, "arm": "one", "factor": 1}
    assert read("hands=4", "arm=two").settings["arm"] == "two"
    assert read("hands=4").services["a"].environment["N"] == "4"
    with says.raises(BadExperiment):
        read("factor=many")
    doc["knobs"] = {"hands": 1}
    with says.raises(BadExperiment):
        read()


def test_people_are_gone_until_they_are_back() -> None:
    """Confirmed by the node's own word; beside another configuration, which stays when they are back."""
    target, fault = Memory(NODES), Leaving(("ana", "bo"), "GONE", ("printenv", "GONE"))
    node, on = next(n for n in NODES if n.name == "care-a"), target.can.need(TELL)

    async def play() -> None:
        await target.deploy(node, {"MODE": "new"})
        assert not await fault.confirm(on, [node])
        await fault.inject(on, [node])
        assert await fault.confirm(on, [node])
        assert await fault.figures(on, [node]) == {"people_gone": 2.0}
        await fault.heal(on, [node])
        assert not await fault.confirm(on, [node])
        assert await target.deployed(node) == {"MODE": "new"}

    virtually(play())


def test_a_caretaker_who_says_that_everybody_is_there_confirms_nothing() -> None:
    """Planted: he was told, and does not know it."""
    target, deaf = Memory(NODES), Leaving(("ana",), "GONE", ("true",))
    node, on = NODES[0], target.can.need(TELL)

    async def play() -> bool:
        await deaf.inject(on, [node])
        return await deaf.confirm(on, [node])

    assert virtually(play()) is False


def test_a_plan_for_people_names_who_leaves_and_what_is_orphaned(tmp_path: Path, says: Says) -> None:
    """One line a departure."""
    says(lines(render(planned(tmp_path, ["cy"], STOP)), "out: "))
