"""What is judged of an exodus: orphans, alarms and the dossier's targets, on literal histories with planted bugs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chaos.experiment.plan import Release, Step
from chaos.incidents.checkers.alarm import Alarm
from chaos.incidents.checkers.orphans import Orphans
from chaos.incidents.measures import rows
from chaos.incidents.people.sentiment import Night, alarms, reports
from chaos.model import Event, Op, Verdict
from chaos.record.findings import FactRow
from chaos.record.journal import Journal
from tests.messages import Says
from tests.unit.histories import END, every, journal, op

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
STAFF = {
    "owners": {"chat": ["ana"], "media": ["bo"], "db": ["ana", "cy"]},
    "needs": {"chat": ["db"]},
    "journeys": {"text": ["chat"], "media": ["media"]},
    "lapse": ["chat", "media"],
}
OUT = (
    Event(0.0, "fault.inject", "out", {"nodes": ["care-a"]}),
    Event(0.5, "fault.active", "out", {"nodes": ["care-a"]}),
    Event(10.0, "step.heal", "out", {"nodes": ["care-a"]}),
    Event(10.1, "fault.heal", "out", {"nodes": ["care-a"]}),
)
DOSSIER = {
    "when": {"window_hours": 3.0},
    "from_the_seeds": {"outage_reports": {"before": 50, "after": 350}},
    "targets": {
        "report_ratio": {"at_least": 7.0, "use": "calibrate"},
        "public_success_change": {"value": 0, "tolerance": 0.01, "use": "control"},
        "canary_slows_before_public": {"value": True, "use": "predict"},
        "incident_rate_after": {"value": 2.5, "tolerance": 0.8, "use": "predict"},
        "share_left": {"value": 1 / 3, "use": "calibrate"},
        "incidents_before_per_month": {"value": 0.5, "use": "calibrate"},
    },
}


def out(ops: list[Op], *leave: str, events: tuple[Event, ...] = OUT, **changes: Any) -> Journal:
    """A run from t=-10 to t=20 in which these people are gone from 0 to 10."""
    params = {"leave": list(leave or ("ana",)), "variable": "GONE", "ask": ["x"]}
    step = Step("out", 0.0, "staff", params, ("care-a",), (Release(10.0, ("care-a",)),))
    made: dict[str, Any] = {"steps": (step,), "staff": STAFF, "incident": DOSSIER, "scale": 1800.0} | changes
    return journal(ops, (*events, *END), **made)


def used(broken: str = "", start: float = 4.0, end: float = 10.0) -> list[Op]:
    """Text and media from -10 to 20, all well but one journey for a while."""
    return [
        o
        for j in ("text", "media")
        for o in [
            *every(0.25, -10, start, journey=j),
            *every(0.25, start, end, "fail" if j == broken else "ok", journey=j),
            *every(0.25, end, 20, journey=j),
        ]
    ]


def test_orphans_hold_when_exactly_their_journeys_are_lost(says: Says) -> None:
    """ana alone had chat; db has cy still."""
    found = Orphans("lapse").check(out(used("text")))
    assert found.verdict is PASS
    says(found.summary)


def test_orphans_are_broken_by_a_journey_that_lives_on_and_by_one_that_should(says: Says) -> None:
    """Planted: the chore was done all the same, or somebody else's component broke."""
    spared = Orphans("lapse").check(out(used()))
    assert spared.verdict is FAIL
    says(spared.summary)
    other = Orphans("lapse").check(out(used("media"), "cy"))
    assert other.verdict is FAIL
    says(other.summary)
    assert other.evidence and other.evidence[0].startswith("ops:")


def test_orphans_look_at_what_was_before_somebody_repaired() -> None:
    """Text is back from 6 s on because an operator came at 6 s: it had been lost."""
    repaired = (*OUT[:2], Event(6.0, "operator.start", "repair", {"nodes": ["care-a"]}), *OUT[2:])
    assert Orphans("lapse").check(out(used("text", 3.0, 6.0), events=repaired)).verdict is PASS
    assert Orphans("lapse").check(out(used("text", 3.0, 6.0))).verdict is FAIL


def test_dropped_orphans_need_no_chore() -> None:
    """db has none, and takes text along when it is stopped."""
    both = out(used("text"), "ana", "cy", staff=STAFF | {"lapse": ["media"]})
    assert Orphans("drop").check(both).verdict is PASS
    assert Orphans("lapse").check(both).verdict is FAIL


def test_a_component_may_take_journeys_that_would_do_without_it() -> None:
    """A limiter that cannot count stops writes; one that is stopped stops nobody."""
    staff = STAFF | {"lapse": ["media"], "takes": {"media": ["text"]}}
    both = [*used("text"), *every(0.25, 4.1, 10, "fail", journey="media")]
    only_text = out(used("text"), "bo", staff=staff)
    assert Orphans("lapse").check(only_text).verdict is FAIL
    lost = out([o for o in both if o.journey == "text" or not (4 <= o.t < 10 and o.ok)], "bo", staff=staff)
    assert Orphans("lapse").check(lost).verdict is PASS
    assert Orphans("drop").check(lost).verdict is FAIL


def test_orphans_say_nothing_without_departures_or_operations() -> None:
    """Nobody was seen to leave; nobody used media at the end."""
    assert Orphans("drop").check(journal(used())).verdict is INCONCLUSIVE
    assert Orphans("drop").check(out(used(), events=OUT[:1])).verdict is INCONCLUSIVE
    rare = [o for o in used("text") if o.journey == "text" or not 6 <= o.t < 10] + [op(8.0, journey="media")]
    found = Orphans("lapse").check(out(rare))
    assert found.verdict is INCONCLUSIVE and "media" in found.summary


NIGHT = Night(0.0, 6.0, 50, 350)


@pytest.mark.parametrize("seed", range(20))
def test_reports_are_counted_exactly_whatever_the_seed(seed: int) -> None:
    """50 before and 350 after, spread over the window; the counter rings once, after the news."""
    times = reports(seed, NIGHT)
    assert (NIGHT.counted(times, -6.0, 0.0), NIGHT.counted(times, 0.0, 6.0)) == (50, 350)
    ((start, end),) = alarms(NIGHT, times)
    assert 0.0 <= start < 1.0 and end == pytest.approx(6.0)


def test_no_news_rings_no_alarm() -> None:
    """As many reports after as before."""
    calm = Night(0.0, 6.0, 50, 50)
    assert alarms(calm, reports(1, calm)) == ()


def test_worried_messages_ring_a_false_alarm_and_service_levels_none(says: Says) -> None:
    """The negative control: 1 false alarm becomes 0."""
    quiet = out(used())
    by_reports, by_slo = Alarm("reports").check(quiet), Alarm("slo").check(quiet)
    assert by_reports.verdict is FAIL
    says(by_reports.summary)
    assert by_slo.verdict is PASS
    says(by_slo.summary)


def test_service_levels_see_an_outage_and_a_counter_of_reports_misses_an_early_one(says: Says) -> None:
    """Text is away for six seconds: the level rings. One before the news meets no report."""
    found = Alarm("slo").check(out(used("text")))
    assert found.verdict is PASS
    says(found.summary)
    late = out(used("text", 12.0, 16.0))
    missed = Alarm("reports").check(late)
    assert missed.verdict is FAIL and missed.evidence
    says(missed.summary)


def test_alarm_says_nothing_without_users_or_reports() -> None:
    """Nobody knows what was true, or nobody counted."""
    assert Alarm("slo").check(out([])).verdict is INCONCLUSIVE
    assert Alarm("reports").check(out(used(), incident={})).verdict is INCONCLUSIVE
    assert Alarm("slo").check(journal(used())).verdict is PASS


class Counted(float):
    """A time that counts how often it is looked at."""

    looks = 0

    def __lt__(self, other: float) -> bool:
        Counted.looks += 1
        return float(self) < other

    def __le__(self, other: float) -> bool:
        Counted.looks += 1
        return float(self) <= other

    def __gt__(self, other: float) -> bool:
        Counted.looks += 1
        return float(self) > other

    def __ge__(self, other: float) -> bool:
        Counted.looks += 1
        return float(self) >= other


def test_what_alarm_costs_grows_with_the_run_and_not_with_its_square(says: Says) -> None:
    """An outage of six seconds every twenty, in a run and in one four times as long: n log n, so nearly four times."""

    def looks(rounds: int) -> int:
        ops = [
            replace(o, t=Counted(o.t))
            for k in range(rounds)
            for o in [*every(0.25, 20 * k, 20 * k + 6, "fail"), *every(0.25, 20 * k + 6, 20 * k + 20)]
        ]
        Counted.looks = 0
        found = Alarm("slo").check(journal(ops, length=20.0 * rounds))
        says(found.summary)
        return Counted.looks

    assert looks(80) < 6 * looks(20)


def row(made: Journal, name: str) -> FactRow:
    return next(r for r in rows(made) if r.name == name)


def test_reports_rise_sevenfold_while_levels_stay() -> None:
    """The model reproduces the one, users measure the other."""
    quiet = out(used())
    assert (row(quiet, "report_ratio").measured, row(quiet, "report_ratio").holds) == (7.0, True)
    assert (row(quiet, "public_success_change").measured, row(quiet, "public_success_change").holds) == (0.0, True)
    hurt = row(out(used("text")), "public_success_change")
    assert hurt.holds is False and hurt.evidence, "planted: text was lost"


def test_the_canary_slows_first_or_it_does_not(says: Says) -> None:
    """Four times its ordinary p95 from 3 s on; the public never, at 6 s, or (planted) at 2 s."""
    canary = [*every(0.25, -10, 3, journey="canary", took=0.05), *every(0.25, 3, 20, journey="canary", took=0.4)]
    first = row(out([*used(), *canary]), "canary_slows_before_public")
    assert (first.measured, first.holds) == (True, True)
    says(first.note)

    def public(at: float) -> list[Op]:
        return [*every(0.25, -10, at), *every(0.25, at, 20, took=0.3)]

    assert row(out([*public(6.0), *canary]), "canary_slows_before_public").holds is True
    assert row(out([*public(1.0), *canary]), "canary_slows_before_public").holds is False
    well = every(0.25, -10, 20, journey="canary", took=0.05)
    assert row(out([*used(), *well]), "canary_slows_before_public").measured is False
    assert row(out(used()), "canary_slows_before_public").holds is None, "nobody used it"


def test_incidents_come_from_the_roster_and_from_what_really_broke() -> None:
    """A third gone of three people: each lone owner is among them with 1/3, so 0.5 + 2/3 a month, if they break."""
    really = row(out(used("text")), "incident_rate_after")
    assert really.measured == pytest.approx((0.5 + 2 / 3) / 0.5, abs=1e-3) and really.holds is True
    spared = row(out(used()), "incident_rate_after")
    assert (spared.measured, spared.holds) == (1.0, False), "planted: nothing broke"
    assert row(out(used(), "cy"), "incident_rate_after").holds is None, "nothing was orphaned"
