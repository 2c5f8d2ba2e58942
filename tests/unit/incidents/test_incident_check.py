"""An incident's facts beside a run: what is judged, what is only shown, what cannot be shown."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.experiment.plan import Release, Step
from chaos.incidents.checkers.incident import Incident
from chaos.incidents.measures import rows
from chaos.model import Event, Finding, Op, Verdict
from chaos.record.findings import FactRow
from chaos.record.journal import Journal
from tests.messages import Says
from tests.unit.histories import END, every, incident, journal, outage

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
BANK = {"bank_core_loss": {"value": 0, "use": "control"}}


def replay(ops: list[Op], targets: dict[str, Any], **changes: Any) -> Journal:
    """A run at scale 3600 of an incident of 100 hours, so that a second is one percent of it."""
    made: dict[str, Any] = {"scale": 3600.0, "incident": incident(targets)}
    return journal(ops, **(made | changes))


def only(j: Journal, *reproduced: str) -> FactRow:
    (row,) = rows(j, reproduced)
    return row


def test_the_bank_untouched_holds() -> None:
    """The control must not lose one operation."""
    row = only(replay(outage(1, 1, "bank"), BANK))
    assert row == FactRow("bank_core_loss", "control", 0, 0.0, True, "0 of 80 operations")


def test_one_lost_operation_of_the_bank_convicts() -> None:
    """Named in the finding and in its evidence."""
    j = replay(outage(1, 1.25, "bank"), BANK)
    found = Incident().check(j)
    words = "bank_core_loss is 0.0125, the fact is 0 (1 of 80 operations)"
    assert found == Finding("incident", FAIL, words, ("ops:45",))


def test_a_run_that_does_not_reproduce_what_it_was_set_from_is_inconclusive() -> None:
    """Reproducing a calibrated target proves nothing; missing it is another incident, which predicts nothing here."""
    target = {"text_return_fraction": {"value": 0.08, "use": "calibrate"}}
    near = replay([*outage(1, 8, step=0.05), *outage(1, 1, "bank")], target | BANK)
    far = replay([*outage(1, 4, step=0.05), *outage(1, 1, "bank")], target | BANK)
    assert [r.holds for r in rows(near) if r.use == "calibrate"] == [True]
    assert [r.holds for r in rows(far) if r.use == "calibrate"] == [False]
    assert Incident().check(near).verdict is PASS
    assert Incident().check(far).verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("use", "back", "holds"), [("calibrate", 7.9, True), ("calibrate", 8.2, False), ("predict", 7.9, False)]
)
def test_a_range_a_run_was_set_by_is_met_to_one_boot_unit(use: str, back: float, holds: bool) -> None:
    """Units one percent of the incident apart: 0.079 is within one of 0.07, 0.082 is not. A prediction is strict."""
    site = Step("fire", 0.0, "power", {}, ("a",), tuple(Release(5.0 + unit, ("a",), unit) for unit in range(1, 5)))
    target = {"text_return_fraction": {"value": [0.06, 0.07], "use": use}}
    j = replay(outage(1, back, step=0.05), target, steps=(site,))
    assert only(j).holds is holds


def test_a_prediction_this_experiment_was_set_by_is_only_reproduced() -> None:
    """The experiment's file names it."""
    j = replay(outage(1, 4), {"text_return_fraction": {"value": 0.5, "use": "predict"}})
    assert only(j).judged
    assert not only(j, "text_return_fraction").judged


def test_a_return_is_known_between_its_last_failure_and_its_return_only(says: Says) -> None:
    """Used every four seconds, it failed at 0.04 and was back at 0.08: 0.05 to 0.06 may be true, 0.09 not."""
    ops = [*every(4, -8, 0), *every(4, 0, 8, "fail"), *every(4, 8, 24)]
    may = only(replay(ops, {"text_return_fraction": {"value": [0.05, 0.06], "use": "predict"}}))
    assert (may.measured, may.holds) == (0.08, True)
    says(may.note)
    cannot = only(replay(ops, {"text_return_fraction": {"value": [0.01, 0.03], "use": "predict"}}))
    assert cannot.holds is False
    assert only(replay(ops, {"text_return_fraction": {"value": [0.09, 0.2], "use": "predict"}})).holds is False


def test_a_quicker_return_than_ever_seen_holds_where_the_dossier_says_so(says: Says) -> None:
    """Its lower end is the quickest that anybody was seen to be, not the quickest allowed."""
    target = {"value": [0.05, 0.09], "use": "predict", "journey": "text"}
    name, ops = "same_site_with_failover_fraction", outage(1, 2)
    assert only(replay(ops, {name: target})).holds is False
    row = only(replay(ops, {name: {**target, "quicker_holds": True}}))
    assert row.holds is True
    says(row.note)


def test_a_journey_that_never_came_back_misses_its_fraction() -> None:
    """None, and false: it is known, and it is not the fact."""
    j = replay(every(0.25, 1, 20, "fail"), {"text_return_fraction": {"value": 0.08, "use": "predict"}})
    row = only(j)
    assert (row.measured, row.holds) == (None, False)
    assert Incident().check(j).verdict is FAIL


def test_a_target_of_another_posture_is_not_shown() -> None:
    """`when` compares with the run's settings."""
    target = {"value": 0.5, "use": "predict", "when": {"posture": "remedied"}}
    assert rows(replay(outage(1, 4), {"text_return_fraction": target})) == ()


def test_what_failover_drives_is_judged_at_full_scale_only(says: Says) -> None:
    """Failover takes its two seconds at any scale; at twice the speed they are twice the share of the outage."""
    target = {"text_return_fraction": {"value": [0.0, 0.03], "use": "predict", "driver": "failover"}}
    j = replay([*outage(0, 4), *outage(0, 0, "bank")], target | BANK, scale=7200.0)
    row = next(r for r in rows(j) if r.use == "predict")
    assert (row.shown, row.judged, row.holds) == (False, False, None)
    says(Incident().check(j).summary)


def test_the_short_form_says_what_it_does_not_reach() -> None:
    """A plant that is not back before a short run ends is no miss."""
    target = {"servers_back_at_f_0.694": {"value": 0.97, "use": "predict"}}
    j = replay(outage(0, 0, "bank"), target | BANK, short=True)
    assert [(r.name, r.shown) for r in rows(j)] == [("servers_back_at_f_0.694", False), ("bank_core_loss", True)]
    assert Incident().check(j).verdict is PASS


def test_a_figure_that_cannot_be_measured_is_inconclusive() -> None:
    """In the full form the same is no pass: nobody knows."""
    j = replay(outage(0, 0, "bank"), {"servers_back_at_f_0.694": {"value": 0.97, "use": "predict"}} | BANK)
    assert Incident().check(j).verdict is INCONCLUSIVE


def test_nothing_to_judge_is_inconclusive() -> None:
    """Nothing is PASS by absence."""
    assert Incident().check(replay(outage(1, 1), {})).verdict is INCONCLUSIVE


@pytest.mark.parametrize(("last", "holds"), [(5.0, True), (12.0, False)])
def test_servers_back_is_read_off_the_plant_at_its_time(last: float, holds: bool) -> None:
    """At a tenth of the outage, 10 s, both units of two must be back."""
    releases = (Release(3.0, ("chat-a",), 1), Release(last, (), 2))
    step = Step("blow", 0.0, "power", {}, ("chat-a",), releases)
    heals = [Event(r.t, "fault.heal", "blow", {"nodes": list(r.nodes), "unit": r.unit}) for r in releases]
    target = {"servers_back_at_f_0.1": {"value": 1.0, "tolerance": 0.05, "use": "predict"}}
    row = only(journal([], [*heals, *END], steps=(step,), scale=3600.0, incident=incident(target)))
    assert row.holds is holds
    assert row.evidence == ("journal:1", "journal:2")


ORDER = {"order_of_return": {"value": [["text"], ["pay", "ride"], ["mail"]], "use": "predict"}}


def returns(**backs: float) -> list[Op]:
    return [o for journey, t in backs.items() for o in outage(0, t, journey)]


def test_groups_come_back_in_order_and_ties_within_a_group_are_free() -> None:
    """Ride before pay is no matter: they stand in one bracket."""
    row = only(replay(returns(text=2, pay=9, ride=5, mail=15), ORDER))
    assert row.holds is True
    assert row.measured == [["text", 2.0], ["ride", 5.0], ["pay", 9.0], ["mail", 15.0]]


def test_an_order_is_broken_by_an_operation_that_failed_after_a_later_group_was_back(says: Says) -> None:
    """Mail back at 4 s while pay failed until 9 s; a tie is where nobody asked in between."""
    row = only(replay(returns(text=2, pay=9, ride=5, mail=4), ORDER))
    assert row.holds is False
    says(row.note)
    assert only(replay(returns(text=2, pay=9, ride=5, mail=8), ORDER)).holds is False
    assert only(replay(returns(text=2, pay=9, ride=5, mail=8.9), ORDER)).holds is True


def test_another_incident_than_the_dossiers_predicts_nothing_but_its_controls_convict() -> None:
    """What it was set from is missed: a missed prediction is INCONCLUSIVE then, a hurt bank is FAIL all the same."""
    targets = {"text_return_fraction": {"value": 0.5, "use": "calibrate"}, **AFTER, **BANK}
    ops = returns(text=6, media=3, mail=3)
    assert Incident().check(replay([*ops, *every(0.25, -10, 20, journey="bank")], targets)).verdict is INCONCLUSIVE
    assert Incident().check(replay([*ops, *outage(1, 2, "bank")], targets)).verdict is FAIL
    strict = {**AFTER, **BANK}
    assert Incident().check(replay([*ops, *every(0.25, -10, 20, journey="bank")], strict)).verdict is FAIL


AFTER = {"unreplicated_after_text": {"value": True, "use": "predict", "journeys": ["media", "mail"]}}
WITH = {"replicated_with_text": {"value": True, "use": "predict", "journeys": ["media", "mail"]}}


def test_unreplicated_services_come_after_text(says: Says) -> None:
    """Each still failed when text was back."""
    assert only(replay(returns(text=3, media=6, mail=9), AFTER)).holds is True
    row = only(replay(returns(text=3, media=3, mail=9), AFTER))
    assert row.holds is False
    says(row.note)


def test_replicated_services_come_with_text(says: Says) -> None:
    """Two returns within hold are one; an operation that fails later convicts."""
    assert only(replay(returns(text=3, media=4.5, mail=2), WITH)).holds is True
    row = only(replay(returns(text=3, media=9, mail=2), WITH))
    assert row.holds is False
    says(row.note)


def test_a_counterfactual_in_figures_is_a_row_when_its_knobs_are_set() -> None:
    """Text within 0.03 of the outage once tools and data are replicated; words without figures are for people."""
    what_ifs = [
        {"knobs": {"tools": True}, "expect": "text within 0.03", "target": "text_return_fraction",
         "value": [0.0, 0.03], "quicker_holds": True},
        {"knobs": {"tools": True}, "expect": "all will be well"},
        {"knobs": {"tools": False}, "expect": "no better", "target": "text_return_fraction", "value": [0.08, 1.0]},
    ]  # fmt: skip
    settings = {"posture": "remedied", "tools": True}
    row = only(replay(outage(0, 2), {}, settings=settings, incident=incident({}, counterfactuals=what_ifs)))
    assert (row.name, row.use) == ("counterfactual_text_return_fraction", "predict")
    assert (row.measured, row.holds) == (0.02, True)


def test_an_input_of_the_plant_is_shown_as_such() -> None:
    """Nothing in the journal measures it on its own."""
    row = only(replay(outage(1, 1), {"boot_servers_per_hour": {"value": 986, "use": "calibrate"}}))
    assert (row.measured, row.holds, row.judged) == (None, None, False)


def test_a_strange_name_under_reproduced_is_said(says: Says) -> None:
    """It would hide a miss otherwise."""
    found = Incident(reproduced=("order_of_retrun",)).check(replay(outage(1, 1, "bank"), BANK))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)
