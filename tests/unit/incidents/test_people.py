"""People who report an outage: who gives up, which line of the form they tick, and when most of them do."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.incidents.carried import People, Region
from chaos.incidents.people.dice import draw
from chaos.incidents.people.reports import FITS, Report, Users, Visit, choose, peak, reports

INDONESIA, US = Region(("login", "web", "app"), 0.5), Region(("web", "app", "server"), 0.5)
PEOPLE = People(500, 2.0, 3, 0.5, 0.1, 0.66, {"indonesia": INDONESIA, "us": US})


def crowd(symptom: str, start: float, end: float, users: int = 5) -> list[list[Visit]]:
    """Users who come four times a second from -4 s to 30 s, and fail from `start` to `end`."""
    times = [k / 4 for k in range(-16, 120)]
    return [[Visit(t, symptom if start <= t < end else "") for t in times] for _ in range(users)]


STORM: Users = {"web": crowd("login", 0, 20), "app": crowd("stale", 0, 20)}


def filed(users: Users = STORM, people: People = PEOPLE, seed: int = 7) -> tuple[Report, ...]:
    return reports(people, seed, users, -4.0)


def lines(found: tuple[Report, ...], region: str) -> Counter[str]:
    return Counter(r.category for r in found if r.region == region)


def test_where_everything_goes_well_nobody_reports() -> None:
    """The negative of all that follows."""
    assert filed({"web": crowd("login", 0, 0), "app": crowd("stale", 0, 0)}) == ()


def test_a_person_reports_once_and_only_after_as_many_failures_in_a_row_as_it_takes() -> None:
    """At least two visits two seconds apart must have failed; an outage of one visit makes nobody give up."""
    found = filed()
    assert 400 < len(found) < 1000 and min(r.t for r in found) > 2.0
    assert filed({"web": crowd("login", 0, 1.5), "app": crowd("stale", 0, 1.5)}) == ()


def test_the_same_seed_gives_the_same_reports_and_another_gives_others() -> None:
    """Everything random comes from it."""
    assert filed() == filed()
    assert filed(seed=8) != filed()


def test_one_fault_fills_two_forms_with_different_shares() -> None:
    """Where the form has no line for log-in, the same people tick the web site."""
    found = filed()
    indonesia, us = lines(found, "indonesia"), lines(found, "us")
    assert set(indonesia) == {"login", "web", "app"} and set(us) == {"web", "app", "server"}
    assert indonesia["login"] / (indonesia["login"] + indonesia["web"]) == pytest.approx(0.66, abs=0.09)
    assert us["web"] / us.total() == pytest.approx(1 - indonesia["app"] / indonesia.total(), abs=0.05)


def test_most_people_with_an_app_take_old_content_for_what_there_is() -> None:
    """One in ten notices; an error is noticed by all."""
    only_app = People(500, 2.0, 3, 0.5, 0.1, 0.66, {"us": Region(("web", "app", "server"), 1.0)})
    stale = filed({"app": crowd("stale", 0, 20)}, only_app)
    errors = filed({"app": crowd("error", 0, 20)}, only_app)
    assert 0.05 < len(stale) / 500 < 0.15 and len(errors) == 500


@given(st.sampled_from(sorted(FITS)), st.permutations(["login", "web", "app", "server"]), st.floats(0, 0.999))
def test_what_is_ticked_fits_or_is_the_first_line(symptom: str, order: list[str], luck: float) -> None:
    """Whatever the form and the luck."""
    form = order[:3]
    ticked = choose(symptom, form, 0.66, luck)
    assert ticked in form
    assert ticked in FITS[symptom] or (not set(form) & set(FITS[symptom]) and ticked == form[0])


def test_the_first_line_that_fits_is_ticked_by_most() -> None:
    """Luck below `first`; above it a later one."""
    assert choose("login", ("web", "login"), 0.66, 0.65) == "web"
    assert choose("login", ("web", "login"), 0.66, 0.67) == "login"


def test_the_peak_is_where_reports_are_densest() -> None:
    """Five around ten seconds outweigh a longer, thinner tail; without reports there is none."""
    assert peak([9.8, 9.9, 10.0, 10.1, 10.2, *range(12, 30, 2)], 1.0) == pytest.approx(10.0, abs=0.2)
    assert peak([], 1.0) is None


@given(st.integers(), st.text(max_size=8))
def test_dice_fall_from_zero_to_below_one(seed: int, what: str) -> None:
    """And the same way every time."""
    assert 0 <= draw(seed, what) < 1 and draw(seed, what) == draw(seed, what)


def test_dice_are_fair() -> None:
    """Ten thousand throws: every tenth of the range gets its tenth."""
    counts = Counter(int(10 * draw(1, n)) for n in range(10_000))
    assert set(counts) == set(range(10)) and all(880 < n < 1120 for n in counts.values())
