"""Stop conditions and --no-faults on virtual time: when a run ends early, what is healed, and what it may be called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos import registry
from chaos.errors import ChaosError, FaultError, NotSteady, TargetError
from chaos.experiment.plan import Act, StopSpec
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Event, Verdict
from chaos.record.store import pretty
from chaos.report import write_all
from chaos.run.stop_conditions import StopCondition, users
from chaos.targets.memory.target import Memory
from tests.messages import Says, lines
from tests.scripted import Ask
from tests.unit.histories import BLOW, END, check, every, journal, outage
from tests.unit.run.test_orchestrator import NODES, Stage, plan, step
from tests.virtual import virtually

TEXT = StopSpec("stop-1", "success", "text", 0.5, None, 2.0, 3.0)
FAULTS = (step("one", 10, 40, "chat-a"), step("two", 12, 50, "db-a", fault="pause"), step("late", 30, 50, "db-b"))


def staged(tmp_path: Path, spec: StopSpec, ask: Ask, target: Memory | None = None) -> Stage:
    stage = Stage(tmp_path, plan(*FAULTS), target, ask)
    stage.more["stop_conditions"] = [StopCondition(spec, users(stage.load, spec))]
    return stage


def down(start: float, end: float) -> Ask:
    return lambda t: "fail" if start <= t < end else "ok"


def test_a_condition_that_holds_for_its_time_ends_the_timeline_and_everything_is_healed(
    tmp_path: Path, says: Says
) -> None:
    """Users fail from 15 s on: seen at 17, stopped at 20, both faults healed at once, the third never begins."""
    stage = staged(tmp_path, TEXT, down(15, 25)).go()
    (stopped,) = [e for _, e in stage.journal.of("run.stopped")]
    assert stopped.subject == "stop-1"
    says(stopped.data["condition"])
    assert 0 <= stopped.data["value"] < 0.5 and 18 <= stopped.t <= 21
    healed = {(e.subject, *e.data["nodes"]): e.t for _, e in stage.journal.of("fault.heal")}
    assert set(healed) == {("one", "chat-a"), ("two", "db-a")} and set(healed.values()) == {stopped.t}
    assert virtually(stage.target.residue()) == []
    lines = [e.kind for e in stage.journal.events]
    assert lines.index("run.stopped") < lines.index("step.heal")
    assert not stage.seen("run.error") and stage.journal.events[-1].data["status"] == "stopped"


def test_a_stopped_run_goes_on_to_recover_and_to_be_read_back(tmp_path: Path) -> None:
    """What users lost is known all the same: recovery is watched for as long as planned, then everything is read."""
    stage = staged(tmp_path, TEXT, down(15, 25)).go()
    assert [s for _, _, s in stage.seen("phase")] == ["up", "steady", "timeline", "recover", "readback"]
    assert stage.load.calls[-3:] == ["drain", "readback", "stop"]
    (stopped,) = [t for t, _, _ in stage.seen("run.stopped")]
    assert max(op.t for op in stage.load.ops) >= stopped + stage.plan.recover - 1


@pytest.mark.parametrize("ask", [down(15, 16.9), lambda t: "fail" if t > 58 else "ok", lambda t: "ok"])
def test_a_condition_that_does_not_hold_for_its_time_stops_nothing(tmp_path: Path, ask: Ask) -> None:
    """A hiccup shorter than `for`, a failure after the timeline, and none at all."""
    stage = staged(tmp_path, TEXT, ask).go()
    assert not stage.seen("run.stopped") and stage.journal.events[-1].data["status"] == "done"
    assert len(stage.seen("fault.heal")) == 3


def test_every_look_stands_in_the_journal(tmp_path: Path) -> None:
    """One a second of the timeline, as a sample by the condition's id."""
    stage = staged(tmp_path, TEXT, lambda t: "ok").go()
    times = [e.t for _, e in stage.journal.of("probe.sample") if e.subject == "stop-1"]
    assert times == [float(t) for t in range(61)]


def seeing(values: dict[int, Any], otherwise: float = 0.0) -> StopCondition:
    """A guard that sees the n-th value at its n-th look (the first is before the timeline); an error is raised."""
    looks = iter(range(1000))

    async def look() -> float | None:
        found = values.get(next(looks), otherwise)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    return StopCondition(StopSpec("stop-1", "promql", "up", None, 5.0, 5.0, 4.0), look)


def test_looks_that_see_nothing_neither_begin_nor_end_the_time(tmp_path: Path) -> None:
    """Above from look 5 on, blind at 6 and 7: stopped four seconds after look 5; blind looks are written down."""
    stage = Stage(tmp_path, plan(*FAULTS))
    stage.more["stop_conditions"] = [
        seeing({6: ChaosError("Prometheus is gone"), 7: None} | dict.fromkeys((5, 8, 9, 10), 9.0))
    ]
    stage.go()
    assert [t for t, _, _ in stage.seen("run.stopped")] == [8.0]
    assert [(t, s) for t, _, s in stage.seen("probe.error")] == [(5.0, "stop-1")]


def test_a_stop_condition_that_is_always_blind_stops_nothing(tmp_path: Path) -> None:
    """It saw before the first fault; that its Prometheus burned is what such an experiment may be about."""
    stage = Stage(tmp_path, plan(*FAULTS))
    stage.more["stop_conditions"] = [seeing({0: 1.0}, otherwise=None)]  # type: ignore[arg-type]
    assert not stage.go().seen("run.stopped")


@pytest.mark.parametrize(
    "guard",
    [
        seeing({}, otherwise=9.0),
        seeing({}, otherwise=None),  # type: ignore[arg-type]
        seeing({}, otherwise=OSError("no route")),  # type: ignore[arg-type]
    ],
    ids=["holds", "blind", "broken"],
)
def test_no_fault_is_injected_under_a_stop_condition_that_is_blind_or_holds_already(
    tmp_path: Path, guard: StopCondition, says: Says
) -> None:
    """Steady is waited for until patience ends, then the run is inconclusive and says why."""
    stage = Stage(tmp_path, plan(*FAULTS))
    stage.more["stop_conditions"] = [guard]
    with says.raises(NotSteady):
        stage.go()
    assert not stage.seen("fault.") and not stage.seen("step.")


def test_a_journey_that_nobody_knows_is_a_blind_stop_condition(tmp_path: Path, says: Says) -> None:
    """A name mistyped must not pass for a guard."""
    with says.raises(NotSteady):
        staged(tmp_path, msgspec.structs.replace(TEXT, of="txet"), lambda t: "ok").go()


def test_a_heal_that_fails_on_the_way_out_is_an_error_and_not_only_a_stop(tmp_path: Path, says: Says) -> None:
    """Stopped and broken: the error wins, and the target's own heal gets the rest."""

    class Stuck(Memory):
        async def resume(self, nodes: Any) -> None:
            if "paused" in str(await self.residue()):
                raise TargetError("it will not wake")

    stage = staged(tmp_path, TEXT, down(15, 25), Stuck(NODES))
    with says.raises(FaultError):
        stage.go()
    assert stage.seen("run.stopped") and stage.seen("run.error")
    assert virtually(stage.target.residue()) == []


# --- what a stopped run may be called

STOPPED = Event(8.0, "run.stopped", "stop-1", {"condition": "success of text below 50.0%", "value": 0.25})


def judged(*checks: Any, stopped: bool = True) -> Judgement:
    events = (*BLOW[:2], STOPPED, BLOW[2], *END) if stopped else (*BLOW, *END)
    return judge(journal(outage(1, 4), events, checks=checks))


def test_a_stopped_run_is_never_a_pass(says: Says) -> None:
    """All checks hold, and it is inconclusive; the finding names the condition, the value and the line."""
    found = judged(check("recovery", journey="text", within=9.0))
    assert found.verdict is Verdict.INCONCLUSIVE
    (run,) = [f for f in found.findings if f.check == "run"]
    says(run.summary)
    assert run.evidence == ("journal:3",)
    assert judged(check("recovery", journey="text", within=9.0), stopped=False).verdict is Verdict.PASS


def test_what_more_of_the_run_could_not_have_undone_convicts_a_stopped_run() -> None:
    """Users were away for longer than allowed: that is a FAIL, stopped or not."""
    assert judged(check("recovery", journey="text", within=2.0)).verdict is Verdict.FAIL


def test_a_rate_over_the_part_that_was_played_convicts_nobody(says: Says) -> None:
    """The worst of a run without what would have come after: inconclusive, where the whole run fails."""
    strict = check("availability", at_least=0.999)
    assert judged(strict, stopped=False).verdict is Verdict.FAIL
    found = judged(strict)
    assert found.verdict is Verdict.INCONCLUSIVE
    says("\n".join(f.summary for f in found.findings))


def test_each_check_says_whether_it_convicts_a_stopped_run() -> None:
    """Those whose failure more of the run could not have undone."""
    names = registry.names("chaos.judge.checkers")
    early = {name for name in names if registry.load("chaos.judge.checkers", name).convicts_early}
    assert early == {"delivery", "promql", "recovery"}


def test_a_load_that_was_asked_for_less_long_keeps_its_floor() -> None:
    """Operations up to load.stop only: a run that was stopped did not lose its users."""
    ops = every(0.25, -10, 12)
    events = (*BLOW[:2], STOPPED, BLOW[2], Event(12.0, "load.stop", "load", {}), *END)
    verdicts = [
        f.verdict
        for made in (events, tuple(e for e in events if e is not STOPPED))
        for f in judge(journal(ops, made, length=60.0)).findings
        if f.check == "floor"
    ]
    assert verdicts == [Verdict.PASS, Verdict.INCONCLUSIVE]


def test_the_reports_of_a_stopped_run_say_so_first(tmp_path: Path, says: Says) -> None:
    """In the sentence beside the verdict."""
    made = journal(outage(1, 4), (*BLOW[:2], STOPPED, BLOW[2], *END), checks=(check("availability", at_least=0.1),))
    written = write_all(tmp_path, made, judge(made))
    for name in ("report.md", "report.html"):
        says(lines(written[name].read_text(), "stop condition"))


# --- --no-faults


class Untouchable(Memory):
    """Says who tries to hurt it. Healing is allowed: it happens in every run and undoes what others left."""

    async def _refuse(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("touched under --no-faults")

    kill = pause = cut = deploy = exec = _refuse


def no_faults(tmp_path: Path) -> Stage:
    acts = [Act("hands", 12.5, "promote", ("true",), ("db-b",))]
    checks = (check("availability", at_least=0.5),)
    made = msgspec.structs.replace(plan(*FAULTS, acts=acts), no_faults=True, checks=checks)
    stage = Stage(tmp_path, made, Untouchable(NODES))
    stage.more["stop_conditions"] = [StopCondition(TEXT, users(stage.load, TEXT))]
    return stage.go()


def test_without_faults_everything_is_played_and_nothing_is_touched(tmp_path: Path) -> None:
    """Every step and act stands in the journal at its time; phases, load, looks of guards as ever."""
    stage = no_faults(tmp_path)
    assert stage.seen("step.skipped") == [
        (10.0, "step.skipped", "one"), (12.0, "step.skipped", "two"), (12.5, "step.skipped", "hands"),
        (30.0, "step.skipped", "late"),
    ]  # fmt: skip
    assert not stage.seen("fault.") and not stage.seen("operator.") and not stage.seen("step.intent")
    assert [s for _, _, s in stage.seen("phase")] == ["up", "steady", "timeline", "recover", "readback"]
    assert len(stage.seen("probe.sample")) == 61


def test_a_run_without_faults_is_inconclusive(tmp_path: Path) -> None:
    """Every check holds, nothing was broken: the verdict, the reports and the exit code say so."""
    stage = no_faults(tmp_path)
    (tmp_path / "ops.jsonl").write_bytes(b"".join(msgspec.json.encode(op) + b"\n" for op in stage.load.ops))
    found = judge(stage.journal)
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 3)
    (effective,) = [f for f in found.findings if f.check == "effective"]
    assert effective.verdict is Verdict.INCONCLUSIVE and len(effective.evidence) == 4
    report = write_all(tmp_path, stage.journal, found)["report.md"].read_text()
    assert "--no-faults" in report


def test_plans_of_before_are_read_as_they_were() -> None:
    """A plan.json without limits, stop conditions and no_faults has none of them."""
    made = msgspec.json.decode(pretty(plan(*FAULTS)))
    for key in ("limits", "stops", "no_faults"):
        made.pop(key)
    read = msgspec.convert(made, type(plan()))
    assert (read.limits, read.stops, read.no_faults) == ({}, (), False)
