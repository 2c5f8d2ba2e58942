"""The check `probe`, the assumption steady and the measures, on literal answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from chaos.experiment.plan import CheckSpec, LoadSpec, ProbeSpec
from chaos.judge.assumptions.floor import Floor
from chaos.judge.assumptions.steady import Steady
from chaos.judge.checkers.probe import Probe
from chaos.judge.judge import judge
from chaos.judge.measures import measure
from chaos.judge.measures.answers import answers
from chaos.model import Event, Verdict
from chaos.record.findings import Asked
from chaos.record.journal import Journal
from tests.messages import Says
from tests.unit import histories
from tests.unit.histories import BLOW, END

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
FRONT = ProbeSpec("tcp", "front", 0.5, {"connect": "chat-a:80"}, 1.0)
NOBODY = LoadSpec("", 0, 0.0, 0.0, 1)


def answered(start: float, end: float, ok: bool = True, every: float = 0.5, **more: Any) -> list[Event]:
    """Answers to `front` asked at start, start + every, … before end. The fault is in force from 0 to 10 s."""
    times = [round(start + k * every, 6) for k in range(round((end - start) / every))]
    why = {} if ok else {"why": "refused"}
    return [Event(t, "probe.sample", "front", {"ok": int(ok), "ms": 2.0, **why, **more}) for t in times]


def error(t: float, why: str = "the prober ended") -> Event:
    return Event(t, "probe.error", "front", {"error": why})


def journal(*parts: Iterable[Event], **changes: Any) -> Journal:
    """A run without load, from -10 to 20 s."""
    events = sorted((e for part in (BLOW, *parts, END) for e in part), key=lambda e: e.t)
    return histories.journal([], events, **({"probes": (FRONT,), "load": NOBODY} | changes))


WELL = answered(-10, 20)
AWAY = [*answered(-10, 1), *answered(1, 4, ok=False), *answered(4, 20)]  # bad from 1 s, back at 4 s


def share(at_least: float = 0.99, **more: Any) -> Probe:
    return Probe(name="front", at_least=at_least, **more)


def back(within: float) -> Probe:
    return Probe(name="front", back_within=within)


@pytest.mark.parametrize(
    ("check", "run", "verdict"),
    [
        (share(), journal(WELL), PASS),
        (share(), journal(AWAY), FAIL),
        (share(0.9), journal(AWAY), PASS),
        (share(phase="after"), journal(AWAY), PASS),
        (share(phase="before"), journal(AWAY), PASS),
        (share(phase="during"), journal(AWAY), FAIL),
        (share(), journal(), INCONCLUSIVE),
        (share(), journal(answered(-10, -5)), INCONCLUSIVE),
        (share(0.6), journal(answered(-10, 12), [error(12)]), PASS),
        (share(0.9), journal(answered(-10, 12), [error(12)]), INCONCLUSIVE),
        (share(0.9), journal(answered(-10, 0), answered(0, 10, ok=False), answered(10, 14), [error(14)]), FAIL),
        (share(), journal(answered(-10, 5), answered(5.5, 20), [error(5)]), INCONCLUSIVE),
        (share(), journal(WELL, probes=()), INCONCLUSIVE),
        (back(5), journal(WELL), PASS),
        (back(3), journal(AWAY), PASS),
        (back(2.9), journal(AWAY), FAIL),
        (back(5), journal(answered(-10, 1), answered(1, 20, ok=False)), FAIL),
        (back(18), journal(answered(-10, 1), answered(1, 20, ok=False)), INCONCLUSIVE),
        (back(5), journal(), INCONCLUSIVE),
        (back(5), journal(answered(-10, 0)), INCONCLUSIVE),
        (back(5), journal(answered(-10, 10), [error(10)]), INCONCLUSIVE),
        (back(12), journal(answered(-10, 10), [error(10)]), INCONCLUSIVE),
        (back(4), journal(answered(-10, 1), [error(1)], answered(8, 20)), INCONCLUSIVE),
        (back(9), journal(answered(-10, 1), [error(1)], answered(8, 20)), PASS),
        (back(4), journal(answered(-10, 1), answered(1, 2, ok=False), [error(2)], answered(8, 20)), INCONCLUSIVE),
        (back(4), journal(answered(-10, 1), answered(1, 6, ok=False), [error(6)], answered(9, 20)), FAIL),
        (back(4), journal(answered(-10, 1), [error(1)], answered(7, 8, ok=False), answered(8, 20)), INCONCLUSIVE),
        (back(4), journal(AWAY[:40], [error(9)], answered(16, 20)), INCONCLUSIVE),
    ],
)  # fmt: skip
def test_a_verdict_rests_on_answers_and_never_on_missing_ones(
    check: Probe, run: Journal, verdict: Verdict, says: Says
) -> None:
    """Pass, fail, and not known: what could not be asked neither passes nor fails a check."""
    found = check.check(run)
    assert found.verdict is verdict
    says(found.summary)


def test_the_evidence_is_the_bad_answers() -> None:
    """By line, the earliest first."""
    run = journal(AWAY)
    bad = tuple(f"journal:{n}" for n, e in enumerate(run.events, 1) if e.data.get("ok") == 0)
    assert share().check(run).evidence == back(1).check(run).evidence == bad and len(bad) == 6


def test_a_question_in_flight_when_the_fault_strikes_belongs_to_it() -> None:
    """It was asked before the fault and failed because of it, so the system was steady."""
    run = journal(answered(-10, -0.5), [Event(-0.5, "probe.sample", "front", {"ok": 0, "ms": 1000.0})], answered(0, 20))
    phases = [(a.t, a.phase) for a in answers(run, FRONT).all if -1 <= a.t <= 0.5]
    assert phases == [(-1.0, "before"), (-0.5, "during"), (0.0, "during"), (0.5, "during")]
    assert Steady().check(run).verdict is PASS


def test_answers_of_the_warm_up_are_ignored() -> None:
    """They are older than the steady phase."""
    run = journal(answered(-20, -10, ok=False), WELL)
    assert share().check(run).verdict is PASS and Steady().check(run).verdict is PASS


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        (WELL, PASS),
        ([*answered(-10, -9, ok=False), *answered(-9, 20)], INCONCLUSIVE),
        (answered(0, 20), INCONCLUSIVE),
        ([error(-10), *answered(-1, 20)], INCONCLUSIVE),
    ],
)
def test_a_probe_must_be_well_before_the_first_fault(events: list[Event], verdict: Verdict, says: Says) -> None:
    """Otherwise the fault is not what broke it."""
    found = Steady().check(journal(events))
    assert found.verdict is verdict
    says(found.summary)


def test_a_probe_that_was_not_steady_makes_the_run_inconclusive() -> None:
    """Whatever its check says."""
    run = journal(answered(-10, -8, ok=False), answered(-8, 20), checks=(_spec(at_least=0.5),))
    judgement = judge(run)
    assert judgement.verdict is INCONCLUSIVE
    assert {f.check: f.verdict for f in judgement.findings}["steady"] is INCONCLUSIVE


def test_users_and_probes_must_both_be_steady(says: Says) -> None:
    """One assumption speaks for both."""
    users = {"load": LoadSpec("u.py", 2, 4.0, 1.0, 1)}
    ops = histories.every(0.25, -10, 20)
    events = sorted((*BLOW, *WELL, *END), key=lambda e: e.t)
    says(Steady().check(histories.journal(ops, events, probes=(FRONT,), **users)).summary)
    found = Steady().check(histories.journal([], events, probes=(FRONT,), **users))
    assert found.verdict is INCONCLUSIVE


def _spec(xfail: str = "", **params: Any) -> CheckSpec:
    return CheckSpec("probe-1", "probe", {"name": "front", **params}, xfail)


def test_a_run_without_load_has_a_verdict() -> None:
    """No floor is judged, and its probes alone pass or fail it."""
    assert not Floor().applies(journal(WELL))
    good = judge(journal(WELL, checks=(_spec(at_least=0.99),)))
    bad = judge(journal(AWAY, checks=(_spec(at_least=0.99),)))
    assert (good.verdict, bad.verdict) == (PASS, FAIL)
    assert "floor" not in {f.check for f in good.findings}


def test_a_machine_without_processors_excuses_a_probe() -> None:
    """Time-outs may be the hypervisor's."""
    stolen = [Event(float(t), "probe.sample", "machine", {"stolen": 0.5}) for t in range(10)]
    assert judge(journal(AWAY, stolen, checks=(_spec(at_least=0.99),))).verdict is INCONCLUSIVE


def test_probes_have_availability_and_rto_as_journeys_have() -> None:
    """By phase, with what could not be asked, and null for never back."""
    found = measure(journal(AWAY))
    assert found.probe_availability == {"front": Asked(1.0, round(14 / 20, 6), 1.0, 60, 6, 0)}
    assert found.probe_rto_s == {"front": 3.0}
    assert measure(journal(WELL)).probe_rto_s == {"front": 0.0}
    assert measure(journal(answered(-10, 1), answered(1, 20, ok=False))).probe_rto_s == {"front": None}
    assert measure(journal(answered(-10, -1))).probe_rto_s == {}
    assert measure(journal(answered(-10, 10), [error(10)])).probe_availability["front"].unseen == 20


def test_the_range_of_a_probes_values_has_values_only() -> None:
    """`ok` and `ms` are no figures of one kind."""
    assert measure(journal(AWAY)).probes == {}
    found = measure(journal(answered(-10, 20, value=3.0))).probes["front"]
    assert found.during and (found.during.least, found.during.greatest, found.during.n) == (3.0, 3.0, 20)


def test_a_short_relapse_does_not_undo_a_return() -> None:
    """As for journeys: two good seconds are a return, one bad answer is no relapse."""
    relapse = [*answered(-10, 1), *answered(1, 4, ok=False), *answered(4, 8), *answered(8, 8.5, ok=False)]
    assert back(3).check(journal(relapse, answered(8.5, 20))).verdict is PASS


def test_expected_failures_of_probes_have_bounds() -> None:
    """`xfail` may loosen at_least and back_within."""
    spec = _spec("one front serves alone", at_least=0.99)
    judgement = judge(journal(AWAY, checks=(spec,)))
    assert judgement.verdict is PASS and judgement.expected_failures == 1
    assert Probe.looser == {"at_least": -1, "back_within": 1}
