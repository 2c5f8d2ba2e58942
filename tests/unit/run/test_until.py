"""Faults that a condition ends before their time, and what a step's parameters are filled with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chaos.errors import BadExperiment, NotSteady
from chaos.experiment.plan import StopSpec
from chaos.faults.deploy import Deploy
from chaos.incidents.carried import people
from chaos.judge.judge import judge
from chaos.model import Node
from chaos.report.plan import render
from chaos.run.stop_conditions import StopCondition, users
from chaos.targets.memory.target import Memory
from tests.messages import Says, lines
from tests.scripted import Ask
from tests.unit.experiment.test_planning import SETTINGS, planned
from tests.unit.experiment.test_planning import step as entry
from tests.unit.run.test_orchestrator import NODES, Stage, plan, step
from tests.virtual import virtually

FAILING = StopSpec("one-until", "success", "text", 0.5, None, 2.0, 3.0)


def staged(tmp_path: Path, ask: Ask) -> Stage:
    one = replace(step("one", 10, 40, "chat-a", "db-a"), until=FAILING)
    stage = Stage(tmp_path, plan(one, step("two", 12, 50, "db-b", fault="pause")), ask=ask)
    stage.more["triggers"] = {"one": StopCondition(FAILING, users(stage.load, FAILING))}
    return stage


def test_a_fault_ends_when_its_condition_has_held_and_the_run_goes_on(tmp_path: Path) -> None:
    """Users fail from 15 s on: rolled back by 20 s; the other fault, the timeline and the verdict are untouched."""
    stage = staged(tmp_path, lambda t: "fail" if 15 <= t < 22 else "ok").go()
    (until,) = [e for _, e in stage.journal.of("step.until")]
    assert until.subject == "one" and 18 <= until.t <= 21 and 0 <= until.data["value"] < 0.5
    healed = {e.subject: e.t for _, e in stage.journal.of("fault.heal")}
    assert healed == {"one": until.t, "two": 50.0}
    assert not stage.seen("run.stopped") and stage.journal.events[-1].data["status"] == "done"
    assert not [f for f in judge(stage.journal).findings if f.check == "run"]


def test_a_condition_that_never_holds_leaves_the_fault_to_its_time(tmp_path: Path) -> None:
    """Healed at 40 s, and nothing says otherwise."""
    stage = staged(tmp_path, lambda t: "fail" if 15 <= t < 17 else "ok").go()
    assert ("one", 40.0) in [(s, t) for t, _, s in stage.seen("fault.heal")]
    assert not stage.seen("step.until")


def test_before_the_fault_a_condition_that_holds_does_not_count(tmp_path: Path) -> None:
    """It is looked at while the fault bites and at no other time."""
    stage = staged(tmp_path, lambda t: "fail" if 1 <= t < 9 else "ok").go()
    assert ("one", 40.0) in [(s, t) for t, _, s in stage.seen("fault.heal")]


def test_a_run_does_not_begin_under_a_condition_that_sees_nothing(tmp_path: Path, says: Says) -> None:
    """A roll-back that waits for a journey nobody uses would never come."""
    stage = staged(tmp_path, lambda t: "ok")
    nobody = replace(FAILING, of="page")
    stage.more["triggers"] = {"one": StopCondition(nobody, users(stage.load, nobody))}
    with says.raises(NotSteady):
        stage.go()


UNTIL: dict[str, Any] = {"success": "text", "below": "90%", "over": "3s", "for": "1s", "when": {"posture": "as-was"}}


def test_a_step_says_in_the_plan_what_ends_it(tmp_path: Path, says: Says) -> None:
    """In the settings it speaks of; in others it is as if it were not there."""
    made = planned(tmp_path, **entry(until=UNTIL, id="roll"))
    assert made.steps[0].until == StopSpec("roll-until", "success", "text", 0.9, None, 3.0, 1.0)
    says(lines(render(made), "roll: "))
    other = planned(tmp_path, settings={**SETTINGS, "posture": "remedied"}, **entry(until=UNTIL))
    assert other.steps[0].until is None and other.steps[0].releases == made.steps[0].releases


def test_a_condition_that_cannot_be_read_is_said_with_its_place(tmp_path: Path, says: Says) -> None:
    """What was found, what was expected."""
    with says.raises(BadExperiment):
        planned(tmp_path, **entry(until={"success": "text"}))
    with says.raises(BadExperiment):
        planned(tmp_path, **entry(until="soon"))


def deploy(environment: dict[str, str]) -> dict[str, Any]:
    where = {"component": "chat"}
    step = {"at": "1h", "for": "2h", "fault": "deploy", "where": where, "with": {"environment": environment}}
    return {"timeline": [step], "scale": 3600}


def test_parameters_are_filled_with_settings_and_times(tmp_path: Path) -> None:
    """A share as it stands, a time of the incident in run seconds; text without a slot is left alone."""
    settings = {**SETTINGS, "exposure": 0.3}
    roll = deploy({"SHARE": "${exposure}", "AGE": "${23h}", "WORDS": "at ${boot_lanes} of 4", "PLAIN": "10s"})
    made = planned(tmp_path, settings=settings, **roll)
    assert made.steps[0].params["environment"] == {"SHARE": "0.3", "AGE": "23.0", "WORDS": "at 1 of 4", "PLAIN": "10s"}


def test_a_slot_that_no_setting_fills_is_refused_with_the_nearest_name(tmp_path: Path, says: Says) -> None:
    """Before anything is touched."""
    with says.raises(BadExperiment):
        planned(tmp_path, **deploy({"LANES": "${boot_lane}"}))


PEOPLE: dict[str, Any] = {
    "visit_every": "1h", "finds_form": "0.5h", "notice": "10%", "first": "66%",
    "regions": {"here": {"form": ["web", "app"], "app": "50%"}},
}  # fmt: skip


def test_people_are_planned_in_run_time(tmp_path: Path) -> None:
    """Shares as fractions, times scaled; without the block there is nobody."""
    found = people(planned(tmp_path, scale=3600, people=PEOPLE))
    assert found is not None
    assert (found.visit_every, found.finds_form, found.notice) == (1.0, 0.5, 0.1)
    assert found.regions["here"].form == ("web", "app") and found.regions["here"].app == 0.5
    assert people(planned(tmp_path)) is None


def test_a_form_with_a_line_that_nobody_ticks_is_refused(tmp_path: Path, says: Says) -> None:
    """With the nearest line there is; unknown keys as everywhere."""
    regions = {"here": {"form": ["wep"], "app": "50%"}}
    with says.raises(BadExperiment):
        planned(tmp_path, people={**PEOPLE, "regions": regions})
    with says.raises(BadExperiment):
        planned(tmp_path, people={**PEOPLE, "notices": "1%"})


def test_a_roll_out_takes_one_node_after_the_other_and_does_not_wait_for_ever() -> None:
    """The second has its turn when the first is well again, or after six seconds in which it was not."""

    class Slow(Memory):
        """A node is unwell for as long after each restart as `takes` says."""

        def __init__(self, takes: float) -> None:
            super().__init__(NODES)
            self.takes = takes
            self.turns: list[tuple[str, float]] = []
            self.well_at: dict[str, float] = {}

        async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
            now = asyncio.get_running_loop().time()
            self.turns.append((node.name, round(now, 1)))
            self.well_at[node.name] = now + self.takes
            await super().deploy(node, environment)

        async def healthy(self, node: Node) -> bool:
            return asyncio.get_running_loop().time() >= self.well_at.get(node.name, 0.0)

    release = Deploy({"A": "1"})
    for takes, second in ((0.0, 0.0), (1.0, 1.0), (60.0, 6.0)):
        target = Slow(takes)
        virtually(release.inject(target, NODES[:2]))
        assert [at for _, at in target.turns] == [0.0, pytest.approx(second, abs=0.15)]
        assert virtually(release.confirm(target, NODES[:2]))
