"""From findings to a verdict: assumptions, known gaps, broken checkers, and how a run ended."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.experiment.plan import CheckSpec
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Event, Finding, Verdict
from chaos.record.journal import Journal
from tests.messages import Says
from tests.unit.histories import BLOW, END, check, every, incident, journal, outage, readback, send

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
LATE: dict[str, Any] = {"journey": "text", "within": 2.0}


def judged(*checks: CheckSpec, events: tuple[Event, ...] = (*BLOW, *END), **changes: Any) -> Judgement:
    """Text gone for three seconds, and these checks."""
    return judge(journal(outage(1, 4), events, checks=checks or (check("availability", at_least=0.5),), **changes))


def the(judgement: Judgement, name: str) -> Finding:
    (finding,) = (f for f in judgement.findings if f.check == name)
    return finding


def test_assumptions_come_first() -> None:
    """Floor, steady, effective, and then the plan's checks in their order."""
    found = judged(check("recovery", journey="text", within=4.0))
    assert [f.check for f in found.findings] == ["floor", "steady", "effective", "recovery text"]
    assert (found.verdict, found.exit_code) == (PASS, 0)


def test_a_failed_check_fails_the_run() -> None:
    """Three seconds, two allowed."""
    assert (judged(check("recovery", **LATE)).verdict, judged(check("recovery", **LATE)).exit_code) == (FAIL, 1)


def test_a_known_gap_that_fails_leaves_the_run_green() -> None:
    """The finding stays a FAIL with its reason, the run passes."""
    found = judged(check("recovery", xfail="no failover", **LATE))
    assert found.verdict is PASS
    assert (the(found, "recovery text").verdict, the(found, "recovery text").xfail) == (FAIL, "no failover")
    assert found.marked == (the(found, "recovery text"),) and found.expected_failures == 1


def test_a_known_gap_that_holds_asks_for_the_mark_to_be_removed() -> None:
    """Otherwise it would hide the next failure."""
    found = judged(check("recovery", xfail="no failover", journey="text", within=4.0))
    assert found.verdict is FAIL
    finding = the(found, "recovery text")
    assert finding.summary.startswith("XPASS") and "recovery-1" in finding.summary
    assert (finding.verdict, finding.xfail) == (FAIL, "")


def test_a_known_gap_that_may_hold_is_fine_either_way() -> None:
    """Whether an asynchronous standby loses something depends on the day."""
    for within in (2.0, 4.0):
        assert judged(check("recovery", "no failover", True, journey="text", within=within)).verdict is PASS


def test_a_fault_that_never_bit_closes_no_gap() -> None:
    """The check holds because nothing happened: that is inconclusive, not a mark to be removed."""
    spec = check("recovery", xfail="no failover", journey="text", within=4.0)
    assert judged(spec, events=(BLOW[0], *END)).verdict is INCONCLUSIVE


def test_a_known_gap_that_cannot_be_judged_stays_inconclusive() -> None:
    """The mark excuses a failure, not ignorance."""
    assert judged(check("delivery", xfail="asynchronous")).verdict is INCONCLUSIVE


def test_a_checker_that_raises_is_inconclusive_and_the_others_speak(says: Says) -> None:
    """A dossier that cannot be read breaks its checker, not the judge; a parameter of another type is refused."""
    facts = {"targets": {"bank_core_loss": {"value": 0}}}
    late = check("recovery", journey="text", within=4.0)
    found = judged(check("incident"), check("availability", at_least="much"), late, incident=facts)
    assert [(f.check, f.verdict) for f in found.findings[3:]] == [
        ("incident-1", INCONCLUSIVE), ("availability-1", INCONCLUSIVE), ("recovery text", PASS),
        ("incident facts", INCONCLUSIVE),
    ]  # fmt: skip
    says(found.findings[3].summary)


def test_a_checker_this_version_does_not_know_is_inconclusive(says: Says) -> None:
    """An old run judged by a new harness."""
    found = judged(check("avialability", at_least=0.5))
    assert (found.verdict, the(found, "avialability-1").verdict) == (INCONCLUSIVE, INCONCLUSIVE)
    says(the(found, "avialability-1").summary)


def test_a_plan_without_checks_shows_nothing() -> None:
    """Nothing is PASS by absence."""
    found = judge(journal(outage(1, 4)))
    assert (found.verdict, the(found, "checks").verdict) == (INCONCLUSIVE, INCONCLUSIVE)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("TargetError", Verdict.ERROR), ("ValueError", Verdict.ERROR), ("NotSteady", INCONCLUSIVE),
     ("NoBite", INCONCLUSIVE), ("Interrupted", INCONCLUSIVE)],
)  # fmt: skip
def test_an_error_of_the_run_counts_by_its_kind(kind: str, verdict: Verdict) -> None:
    """The harness could not do its job, or the run just does not show it."""
    events = (*BLOW, Event(11.0, "run.error", "x", {"error": "the engine is gone", "type": kind}), *END)
    found = judged(events=events)
    assert found.verdict is verdict
    assert the(found, "run") == Finding("run", verdict, "the engine is gone", ("journal:4",))


@pytest.mark.parametrize("verdict", [Verdict.ERROR, INCONCLUSIVE])
@pytest.mark.parametrize("kind", ["NotSteady", "RenamedSince", "TargetError"])
def test_an_error_that_carries_its_verdict_needs_no_class(kind: str, verdict: Verdict) -> None:
    """Whatever its class was called, and is called by now."""
    data = {"error": "the engine is gone", "type": kind, "verdict": verdict.value}
    found = judged(events=(*BLOW, Event(11.0, "run.error", "x", data), *END))
    assert the(found, "run").verdict is verdict


def test_a_run_without_an_end_is_inconclusive() -> None:
    """Its harness was killed."""
    assert the(judged(events=BLOW), "run").verdict is INCONCLUSIVE


def test_an_interrupted_run_is_inconclusive() -> None:
    """Also when no error was written."""
    events = (*BLOW, Event(22.0, "run.end", "x", {"status": "interrupted"}))
    assert judged(events=events).verdict is INCONCLUSIVE


@pytest.mark.parametrize("events", [(*BLOW, Event(22.0, "run.end", "x", {"status": "interrupted"})), BLOW])
def test_a_run_that_was_cut_off_convicts_nobody(events: tuple[Event, ...], says: Says) -> None:
    """Interrupted, or killed: users who were not back when it ended might have been, had it gone on."""
    found = judged(check("recovery", **LATE), events=events)
    assert found.verdict is INCONCLUSIVE
    says(the(found, "recovery text").summary)


def test_a_starved_machine_convicts_nobody_but_of_lost_writes(says: Says) -> None:
    """Time-outs may be the hypervisor's doing; what was acknowledged and is not there is ours."""

    def stolen(share: float) -> tuple[Event, ...]:
        samples = [Event(float(t), "probe.sample", "machine", {"stolen": share}) for t in range(6)]
        return (*BLOW, *samples, *END)

    late = check("recovery", **LATE)
    found = judged(late, events=stolen(0.5))
    assert found.verdict is INCONCLUSIVE
    says(the(found, "recovery text").summary)
    gap = judged(check("recovery", xfail="no failover", **LATE), events=stolen(0.5))
    assert gap.verdict is PASS and the(gap, "recovery text").xfail == "no failover"
    held = judged(events=stolen(0.5))
    assert held.verdict is PASS
    says(the(held, "machine").summary)
    quiet = judged(late, events=stolen(0.01))
    assert quiet.verdict is FAIL and the(quiet, "machine").verdict is PASS
    gone = journal([send(1, "a"), readback("u1", [])], stolen(0.5), checks=(check("delivery", lost=0),))
    lost = judge(gone)
    assert the(lost, "delivery").verdict is FAIL


def test_residue_after_the_heal_is_dirty_and_wins() -> None:
    """Over a FAIL, and only the last scan counts."""
    dirty = Event(21.0, "residue", "memory", {"left": ["chat-a is paused"]})
    found = judged(check("recovery", **LATE), events=(*BLOW, dirty, END[1]))
    assert (found.verdict, found.exit_code, found.residue) == (Verdict.DIRTY, 4, ("chat-a is paused",))
    assert the(found, "residue").evidence == ("journal:4",)
    assert judged(check("recovery", **LATE), events=(*BLOW, dirty, *END)).verdict is FAIL


def test_the_rows_of_the_incident_stand_beside_the_checks() -> None:
    """Also where no check judges them."""
    facts = incident({"bank_core_loss": {"value": 0, "use": "control"}})
    found = judge(journal([*outage(1, 4), *outage(1, 1, "bank")], scale=3600.0, incident=facts))
    assert [(r.name, r.holds) for r in found.facts] == [("bank_core_loss", True)]


def test_a_journal_with_nothing_in_it_is_judged_too() -> None:
    """A run that ended before it began."""
    found = judge(Journal(journal([], checks=(check("delivery"),)).plan, (), ()))
    assert found.verdict is INCONCLUSIVE


def test_findings_do_not_depend_on_the_order_of_a_plans_keys() -> None:
    """A plan that was saved and read again has them sorted."""
    targets = {"text_return_fraction": {"value": 0.1, "use": "calibrate"}}
    targets |= {"bank_core_loss": {"value": 0, "use": "control"}}
    ops = [*outage(1, 4), *every(0.25, 0, 20, journey="bank")]
    one, other = (
        judge(journal(ops, scale=3600.0, incident=incident(dict(items))))
        for items in (targets.items(), reversed(targets.items()))
    )
    assert one == other
