"""A log-out storm beside its facts: what holds, what is missed, and what a run cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.incidents.carried import People, Region
from chaos.incidents.formula import computed
from chaos.incidents.measures import rows
from chaos.model import Event, Op
from chaos.record.findings import FactRow
from chaos.record.journal import Journal
from tests.messages import Says
from tests.unit.histories import BLOW, END, every, incident, journal, op, plan

SETTINGS = {"posture": "as-was", "exposure": 0.5, "page_checks": 2}
PAGES = {"formula": "(1 - f) ** n", "where": {"f": "exposure", "n": "page_checks"}, "tolerance": 0.05, "use": "predict"}
INDONESIA = {"value": {"login": 0.66, "web": 0.34, "app": 0.0}, "tolerance": 0.05, "use": "calibrate"}
OUT: dict[str, Any] = {"status": 401, "error": "thrown out"}
PEOPLE = People(
    400, 1.0, 3, 0.3, 0.1, 0.66,
    {"indonesia": Region(("login", "web", "app"), 0.0), "japan": Region(("web", "server", "app"), 0.0)},
)  # fmt: skip


def only(ops: list[Op], target: dict[str, Any], name: str, **changes: Any) -> FactRow:
    (row,) = rows(journal(ops, **({"settings": SETTINGS, "incident": incident({name: target})} | changes)))
    return row


def pages(worked: int, of: int, start: float = 1.0) -> list[Op]:
    """Loaded between 1 s and 9 s, while the release was out: so many worked, the others were thrown out."""
    step = 8 / of
    return [
        op(round(start + k * step, 4), *(("ok",) if k < worked else ("fail",)), journey="page", client="web",
           **({} if k < worked else OUT))
        for k in range(of)
    ]  # fmt: skip


@pytest.mark.parametrize(("worked", "holds"), [(50, True), (60, True), (62, False), (30, False)])
def test_pages_that_work_follow_the_formula_of_the_dossier(worked: int, holds: bool, says: Says) -> None:
    """Half the back ends reject and a page asks two: a quarter of the pages work, give or take 0.05."""
    row = only(pages(worked, 200), PAGES, "web_page_success")
    assert (row.measured, row.holds) == (worked / 200, holds)
    says(row.note)
    assert row.fact == "(1 - f) ** n"


def test_pages_that_broke_for_another_reason_are_left_out(says: Says) -> None:
    """A time-out says nothing about who was rejected."""
    broken = every(0.2, 1, 9, "info", journey="page", client="web")
    row = only([*pages(50, 200), *broken], PAGES, "web_page_success")
    assert (row.measured, row.holds) == (0.25, True)
    says(row.note)


def test_too_few_pages_are_no_share() -> None:
    """Neither held nor missed."""
    row = only(pages(12, 50), PAGES, "web_page_success")
    assert (row.measured, row.holds) == (None, None)


def test_a_counterfactual_brings_its_own_formula() -> None:
    """Asking two back ends: three quarters of a check, nine sixteenths of a page."""
    knobs = {"session_grace": "dual"}
    what_if = {**PAGES, "formula": "(1 - f ** 2) ** n", "target": "web_page_success", "knobs": knobs}
    facts = incident({}, counterfactuals=[what_if])
    settings = {**SETTINGS, "session_grace": "dual"}
    (row,) = rows(journal(pages(113, 200), settings=settings, incident=facts))
    assert (row.name, row.measured, row.holds) == ("counterfactual_web_page_success", 0.565, True)


@pytest.mark.parametrize("formula", ["f.real", "open('x')", "g ** n", "f if n else 0"])
def test_a_formula_is_arithmetic_and_nothing_else(formula: str, says: Says) -> None:
    """Names, numbers, + - * / **."""
    with says.raises(ValueError):
        computed(formula, {"f": 0.5, "n": 2})


def test_app_users_who_stay_logged_in_hold_and_one_thrown_out_convicts(says: Says) -> None:
    """99 % of the users who were in before; fifty of fifty is fine, forty-nine is not."""
    target = {"at_least": 0.99, "use": "predict"}
    ops = [op(t, user=f"a{k}") for k in range(50) for t in (-1.0, 2.0 + k / 10)]
    assert only(ops, target, "app_session_kept").holds is True
    row = only([*ops, op(3.0, "fail", user="a7", status=401)], target, "app_session_kept")
    assert (row.measured, row.holds) == (0.98, False)
    says(row.note)
    assert row.evidence == ("ops:101",)


def refreshes(jump: float, slope: float) -> list[Op]:
    fresh = [op(-5 + k / 10, journey="refresh", age=0.4) for k in range(50)]
    return fresh + [op(k / 10, "info", "refresh", took=0.0, age=jump + slope * k / 10) for k in range(100)]


def test_content_jumps_by_its_age_and_then_ages_a_second_a_second(says: Says) -> None:
    """At scale 3600 a second is an hour: from 24 minutes to a day and on."""
    target = {"at_least": 23, "use": "calibrate"}
    row = only(refreshes(24.0, 1.0), target, "staleness_jump_hours", scale=3600.0)
    assert (row.measured, row.holds) == (24.0, True)
    says(row.note)
    assert only(refreshes(20.0, 1.0), target, "staleness_jump_hours", scale=3600.0).holds is False


def storm(end: float = 10.0) -> list[Op]:
    """Twenty web users, four visits a second each, all thrown out from 0 s to `end`."""
    return [
        op(-8 + k / 4, "fail" if 0 <= -8 + k / 4 < end else "ok", "page", client="web", user=f"w{u}",
           **(OUT if 0 <= -8 + k / 4 < end else {}))
        for u in range(20) for k in range(112)
    ]  # fmt: skip


def test_shares_of_a_form_are_judged_line_by_line(says: Says) -> None:
    """The dossier's lines with its tolerance, and the true service level beside them."""
    row = only(storm(), INDONESIA, "shares_indonesia", people=PEOPLE)
    assert row.holds is True and set(row.measured) == {"login", "web", "app"}
    says(row.note)
    other = {**INDONESIA, "value": {"login": 0.3, "web": 0.7}}
    assert only(storm(), other, "shares_indonesia", people=PEOPLE).holds is False


def test_without_a_model_of_people_or_without_reports_shares_are_unknown() -> None:
    """None, with the reason."""
    assert only(storm(), INDONESIA, "shares_indonesia").holds is None
    assert only(storm(0.0), INDONESIA, "shares_indonesia", people=PEOPLE).holds is None


def test_the_peak_of_reports_is_a_share_of_the_outage() -> None:
    """People who come once a second give up at their second to fourth failure: about 0.3 of ten seconds."""
    target = {"value": [0.15, 0.45], "use": "predict", "journey": "page"}
    row = only(storm(), target, "onset_to_peak_fraction_of_duration", people=PEOPLE)
    assert row.holds is True and 0.2 < row.measured < 0.45
    late = target | {"value": [0.6, 0.9]}
    assert only(storm(), late, "onset_to_peak_fraction_of_duration", people=PEOPLE).holds is False


def test_whose_outage_is_meant_a_target_says_or_the_pages_that_the_dossier_counts() -> None:
    """Without either nothing is measured, and the row says what is missing."""
    target, name = {"value": [0.15, 0.45], "use": "predict"}, "onset_to_peak_fraction_of_duration"
    row = only(storm(), target, name, people=PEOPLE)
    assert row.holds is None and "journey:" in row.note
    pages = {"formula": "f", "where": {"f": "exposure"}, "tolerance": 0.1, "use": "predict"}
    both = rows(journal(storm(), settings=SETTINGS, incident=incident({name: target, "web_page_success": pages}),
                        people=PEOPLE))  # fmt: skip
    assert {r.name: r.holds for r in both}[name] is True


@pytest.mark.parametrize(("said", "recall"), [("operational", 0), ("degraded", 1)])
def test_a_status_page_owns_up_or_does_not(said: str, recall: int) -> None:
    """Read once a second during the outage; by hand is a control of 0, so that owning up is a miss there."""
    read = every(1, 0, 10, journey="status", client="public", error=f"status page says {said}")
    target = {"value": 0, "use": "control", "journey": "page"}
    row = only([*storm(), *read], target, "status_page_recall")
    assert (row.measured, row.holds) == (recall, recall == 0)


def test_a_status_page_that_nobody_read_or_without_an_outage_says_nothing() -> None:
    """Unknown, and never held by absence."""
    target = {"value": 0, "use": "control", "journey": "page"}
    assert only(storm(), target, "status_page_recall").holds is None
    read = every(1, 0, 10, journey="status", client="public", error="status page says degraded")
    assert only([*storm(0.0), *read], target, "status_page_recall").holds is None


def test_a_journal_judged_twice_comes_to_the_same() -> None:
    """Reports are kept for one journal, and another of the same operations gives the same."""
    facts = incident({"shares_indonesia": INDONESIA})
    made = [journal(storm(), incident=facts, people=PEOPLE) for _ in range(2)]
    assert rows(made[0]) == rows(made[1]) == rows(made[0])


def test_pages_count_only_while_every_step_of_the_release_is_out(says: Says) -> None:
    """One that was loaded before the second step bit met half a release."""
    late = [
        *BLOW[:2], Event(5.0, "fault.inject", "feed", {"nodes": ["chat-b"]}),
        Event(5.0, "fault.active", "feed", {"nodes": ["chat-b"]}), BLOW[2],
        Event(10.0, "fault.heal", "feed", {"nodes": ["chat-b"]}), *END,
    ]  # fmt: skip
    facts = incident({"web_page_success": PAGES})
    (row,) = rows(Journal(plan(settings=SETTINGS, incident=facts), tuple(late), tuple(pages(100, 400))))
    assert (row.measured, row.holds) == (0.0, False)
    says(row.note)
