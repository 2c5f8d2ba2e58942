"""Planning of `probes:`, of the check `probe`, and of experiments without a load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import planning, sense
from chaos.experiment.plan import Plan, ProbeSpec
from chaos.experiment.schema import schema
from chaos.judge.measures import samples
from chaos.model import Node
from chaos.protocols.capabilities import HOST, Hosted, Hosting
from chaos.protocols.table import Table
from chaos.report.plan import render
from chaos.targets.memory.target import Memory
from tests.messages import Says

NODES = [Node(name, name[:-1], name[-1]) for name in ("fronta", "frontb", "kva")]
NODES.append(Node("prometheus", "prometheus", "a"))
FRONT = {"name": "front", "http": {"get": "http://fronta:8080/", "status": 200}, "every": "250ms"}
QUORUM = {"name": "quorum", "exec": {"node": "kva", "run": ["kvctl", "health"]}}
DOC: dict[str, Any] = {
    "name": "made-up",
    "claim": "Nothing happens.",
    "timeline": [{"at": "1s", "for": "5s", "fault": "kill", "where": {"name": "fronta"}}],
    "probes": [FRONT, QUORUM],
    "checks": [{"probe": {"name": "front", "at_least": "99%", "phase": "after"}}],
}
LOAD = {"users": "users/x.py", "count": 5, "rate": "10/s", "floor": "5/s"}


class Users(Hosting):
    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        raise NotImplementedError

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        raise NotImplementedError


class Town(Memory):
    """A target in memory that could host programs among users."""

    @property
    def can(self) -> Table:
        return Table(*super().can.rows, HOST.by(Users()))


def planned(folder: Path, target: Memory | None = None, settings: Mapping[str, Any] | None = None, **over: Any) -> Plan:
    file = folder / "made-up.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in (DOC | over).items() if v is not None}, sort_keys=False))
    choices = planning.Choices(7, settings or {"short": False, "mode": "a"}, {})
    return planning.plan("made-up.yaml", experiments.read(file), target or Town(NODES), choices)


def test_an_experiment_may_leave_out_its_load(tmp_path: Path) -> None:
    """Its probes stand in the plan with every choice made, and `chaos plan` shows them."""
    plan = planned(tmp_path)
    assert plan.load == msgspec.structs.replace(plan.load, users="", count=0, rate=0.0, floor=0.0)
    assert plan.probes == (
        ProbeSpec("http", "front", 0.25, {"get": "http://fronta:8080/", "status": 200}, 1.0),
        ProbeSpec("exec", "quorum", 1.0, {"node": "kva", "run": ["kvctl", "health"]}, 1.0),
    )
    shown = render(plan)
    assert "no load: the verdict rests on probes" in shown
    assert "front: GET http://fronta:8080/, status 200; every 0.25 s, within 1 s" in shown
    assert "quorum: kvctl health in kva, exit code 0; every 1 s, within 1 s" in shown
    assert "probe-1: name front, at_least 99%, phase after" in shown


@pytest.mark.parametrize(
    ("probe", "kind", "params"),
    [
        ({"http": "http://fronta/"}, "http", {"get": "http://fronta/"}),
        ({"http": "https://fronta:1/x?y=1", "status": 204}, "http", {"get": "https://fronta:1/x?y=1", "status": 204}),
        ({"tcp": "kva:5432"}, "tcp", {"connect": "kva:5432"}),
        ({"tcp": {"connect": "[::1]:80"}}, "tcp", {"connect": "[::1]:80"}),
        ({"promql": "up", "at_most": 1}, "promql", {"expr": "up", "at_most": 1}),
        ({"promql": {"expr": "a_seconds", "at_most": "250ms"}}, "promql", {"expr": "a_seconds", "at_most": 0.25}),
        ({"exec": {"node": "kva", "run": ["a"], "contains": "b"}}, "exec",
         {"node": "kva", "run": ["a"], "contains": "b"}),
    ],
)  # fmt: skip
def test_parameters_stand_in_a_mapping_or_beside_the_question(
    tmp_path: Path, probe: dict[str, Any], kind: str, params: dict[str, Any]
) -> None:
    """The design's short forms and the long ones give the same plan."""
    (found,) = planned(tmp_path, probes=[{"name": "front"} | probe]).probes
    assert (found.kind, found.params) == (kind, params)


def test_intervals_and_time_outs_are_run_time(tmp_path: Path) -> None:
    """They are never scaled; a probe that is asked less often than once a second may take that long."""
    probes = [FRONT | {"every": "2s"}, QUORUM | {"every": "500ms", "within": "3s"}]
    plan = planned(tmp_path, probes=probes, scale=60, timeline=[{**DOC["timeline"][0], "at": "1min", "for": "5min"}])
    assert [(p.every, p.within) for p in plan.probes] == [(2.0, 2.0), (0.5, 3.0)]
    assert plan.onset == 1.0


def test_a_probe_with_a_condition_applies_only_there(tmp_path: Path, says: Says) -> None:
    """A check of a probe that does not apply is refused, because it could never say anything."""
    when = {"when": {"mode": "b"}}
    plan = planned(tmp_path, probes=[FRONT, QUORUM | when])
    assert [p.name for p in plan.probes] == ["front"]
    with says.raises(BadExperiment):
        planned(tmp_path, probes=[FRONT | when])


WRONG: Mapping[str, Mapping[str, Any]] = {
    "no name": {"probes": [{"tcp": "kva:1"}]},
    "a name that is no name": {"probes": [FRONT | {"name": "a b"}]},
    "a number as a name": {"probes": [FRONT | {"name": 5}]},
    "the same name twice": {"probes": [FRONT, FRONT]},
    "the harness's own name": {"probes": [FRONT, QUORUM | {"name": "machine"}]},
    "the name of a check's samples": {
        "probes": [FRONT, QUORUM | {"name": "promql-1"}], "checks": [{"promql": {"expr": "up", "at_most": 1}}]},
    "no question": {"probes": [{"name": "front"}]},
    "two questions": {"probes": [FRONT | {"tcp": "kva:1"}]},
    "an unknown question": {"probes": [{"name": "front", "ping": "kva"}]},
    "an unknown parameter": {"probes": [FRONT | {"code": 200}]},
    "a parameter twice": {"probes": [FRONT | {"status": 200}]},
    "nothing to ask": {"probes": [{"name": "front", "tcp": None}]},
    "a bare command": {"probes": [{"name": "front", "exec": "kvctl"}]},
    "an interval that is no duration": {"probes": [FRONT | {"every": 5}]},
    "an interval that is too short": {"probes": [FRONT | {"every": "1ms"}]},
    "a time-out of nothing": {"probes": [FRONT | {"within": "0s"}]},
    "too many open questions": {"probes": [FRONT | {"within": "50s"}]},
    "no address": {"probes": [{"name": "front", "http": "fronta:8080"}]},
    "no port": {"probes": [{"name": "front", "tcp": "kva"}]},
    "a port that is none": {"probes": [{"name": "front", "tcp": "kva:99999"}, QUORUM]},
    "a password in the address": {"probes": [{"name": "front", "http": "http://a:b@fronta/"}]},
    "a header of two lines": {"probes": [{"name": "front", "http": "http://a/", "headers": {"x": "a\nb"}}]},
    "no such status": {"probes": [{"name": "front", "http": "http://a/", "status": 20}]},
    "an unknown node": {"probes": [FRONT, {"name": "q", "exec": {"node": "kvb", "run": ["a"]}}]},
    "no command": {"probes": [FRONT, {"name": "q", "exec": {"node": "kva", "run": []}}]},
    "no bound": {"probes": [FRONT, {"name": "q", "promql": "up"}]},
    "crossed bounds": {"probes": [FRONT, {"name": "q", "promql": "up", "at_least": 2, "at_most": 1}]},
    "broken PromQL": {"probes": [FRONT, {"name": "q", "promql": "up{", "at_most": 1}]},
    "a condition that is none": {"probes": [FRONT | {"when": {"wind": "north"}}]},
    "too few answers before the fault": {"probes": [FRONT, QUORUM | {"every": "5s"}]},
    "too many answers": {"probes": [FRONT | {"every": "50ms"}], "recover": "100h"},
    "a check of an unknown probe": {"checks": [{"probe": {"name": "frond", "at_least": "99%"}}]},
    "a check without a bound": {"checks": [{"probe": {"name": "front"}}]},
    "a check with two bounds": {"checks": [{"probe": {"name": "front", "at_least": "99%", "back_within": "5s"}}]},
    "a return in a phase": {"checks": [{"probe": {"name": "front", "back_within": "5s", "phase": "after"}}]},
    "a bound that cannot be broken": {"checks": [{"probe": {"name": "front", "at_least": "0%"}}]},
    "a return after the run": {"checks": [{"probe": {"name": "front", "back_within": "24s"}}]},
    "a check of users": {"checks": [{"availability": {"at_least": "99%"}}]},
    "a check per operation": {
        "checks": [{"metrics": {"component": "front", "series": "a_total", "per": "all", "at_most": 1}}]},
    "a stop condition of users": {"stop": [{"success": "all", "below": "50%"}]},
    "nothing to judge": {"probes": None, "checks": []},
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused_with_its_place_and_what_to_do(tmp_path: Path, says: Says, case: str) -> None:
    """Each before anything is touched."""
    with says.raises(BadExperiment):
        planned(tmp_path, **WRONG[case])


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    """One message for all wrong probes."""
    with pytest.raises(BadExperiment) as e:
        planned(tmp_path, probes=[FRONT | {"every": "1ms"}, QUORUM | {"within": "0s"}, {"name": "a"}])
    assert [p.split(": ")[1] for p in e.value.problems] == ["probes[0].every", "probes[1].within", "probes[2]"]


def test_a_target_that_cannot_ask_from_the_users_place_is_refused(tmp_path: Path, says: Says) -> None:
    """A name of the stack means something only there, so the harness's own machine is no substitute."""
    with says.raises(BadExperiment):
        planned(tmp_path, target=Memory(NODES))
    assert planned(tmp_path, target=Memory(NODES), probes=[QUORUM | {"name": "front"}]).probes


def test_an_experiment_may_have_a_load_and_probes(tmp_path: Path) -> None:
    """Then checks of both kinds are allowed."""
    both = [*DOC["checks"], {"availability": {"at_least": "99%"}}]
    plan = planned(tmp_path, load=LOAD, checks=both)
    assert plan.load.users == "users/x.py" and len(plan.checks) == 2
    assert "load: 5 users" in render(plan)


def test_without_load_and_probes_a_check_of_metrics_is_enough(tmp_path: Path) -> None:
    """It measures by itself."""
    plan = planned(tmp_path, probes=None, checks=[{"promql": {"expr": "up", "at_least": 1}}])
    assert "no load: the verdict rests on its checks" in render(plan)


def test_secrets_in_headers_are_hidden_in_the_saved_plan(tmp_path: Path) -> None:
    """The run uses the real ones."""
    probe = FRONT | {"http": {"get": "http://fronta/", "headers": {"Authorization": "Bearer abcdefgh12345"}}}
    plan = planned(tmp_path, probes=[probe])
    assert plan.probes[0].params["headers"] == {"Authorization": "Bearer abcdefgh12345"}
    assert b"abcdefgh12345" not in msgspec.json.encode(plan.redacted())


def test_the_schema_has_the_questions_with_their_parameters() -> None:
    """Editors complete and check them."""
    items = schema()["$defs"]["Experiment"]["properties"]["probes"]["items"]
    assert {"name", "every", "within", "when", "http", "tcp", "exec", "promql"} <= set(items["properties"])
    assert items["required"] == ["name"] and not items["additionalProperties"]


def test_planning_and_judging_agree_on_how_many_answers_are_enough() -> None:
    """The plan cannot import the judge."""
    assert sense.ANSWERS == samples.LEAST
