"""Rosters: who is an orphan, what is lost with it, the fewest people behind it, and the curve over who leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.incidents.draws import shuffled, unit
from chaos.incidents.staff.model import Roster, curve, fewest_for, fewest_for_all, incident_rate, leaving

SHOP = Roster(
    {"web": ("ana", "bo"), "cart": ("cy",), "stock": ("bo", "cy"), "db": ("dana", "eli", "fay"), "old": ()},
    needs={"cart": ("db",), "web": ("cart",), "stock": ("db",)},
    journeys={"buy": ("web",), "count": ("stock",), "look": ("db",)},
)


def test_an_orphan_has_nobody_left_and_takes_its_journeys_along() -> None:
    """What needs it however indirectly is lost, and nothing else; who never had an owner is an orphan at once."""
    assert SHOP.orphans(()) == ("old",)
    assert SHOP.orphans({"cy"}) == ("cart", "old")
    assert SHOP.left({"cy"})["stock"] == ("bo",)
    assert SHOP.lost(("cart",)) == ("buy",)
    assert SHOP.lost(("db",)) == ("buy", "count", "look")
    assert SHOP.lost(("old",)) == ()


def test_needs_may_go_in_a_circle() -> None:
    """Two components that need each other are lost together."""
    two = Roster({"a": ("x",), "b": ("y",)}, needs={"a": ("b",), "b": ("a",)}, journeys={"j": ("a",)})
    assert two.lost(("b",)) == ("j",)


def test_the_fewest_people_behind_a_journey_own_its_least_owned_component() -> None:
    """`buy` needs web, cart and db; cart has one owner."""
    found = fewest_for(SHOP, "buy")
    assert found is not None and (found.people, found.components) == (("cy",), ("cart",))
    nothing = Roster({"a": ("x",)}, journeys={"j": ("elsewhere",)})
    assert fewest_for(nothing, "j") is None and fewest_for_all(nothing) is None


people = st.sampled_from(["p1", "p2", "p3", "p4", "p5", "p6"])
rosters = st.builds(
    Roster,
    st.dictionaries(st.sampled_from("abcde"), st.lists(people, min_size=1, max_size=3, unique=True), min_size=1),
    st.just({}),
    st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcde"), max_size=2)),
    st.dictionaries(st.sampled_from(["j1", "j2", "j3"]), st.lists(st.sampled_from("abcde"), min_size=1, max_size=2)),
)


@given(rosters)
def test_the_fewest_for_every_journey_are_as_few_as_trying_all_sets_finds(roster: Roster) -> None:
    """And when they leave, every journey is lost."""
    found = fewest_for_all(roster)
    smallest = next(
        (
            k
            for k in range(len(roster.people) + 1)
            for who in combinations(roster.people, k)
            if roster.journeys and len(roster.lost(roster.orphans(who))) == len(roster.journeys)
        ),
        None,
    )
    assert (None if found is None else len(found.people)) == smallest
    if found is not None:
        assert found.exact and roster.lost(roster.orphans(found.people)) == tuple(sorted(roster.journeys))


@given(rosters, st.integers(0, 50))
def test_who_leaves_with_a_smaller_share_leaves_with_a_greater_one(roster: Roster, seed: int) -> None:
    """So what is an orphan stays one, and the curve never falls."""
    gone = [set(leaving(roster, seed, share / 10)) for share in range(11)]
    assert all(a <= b for a, b in pairwise(gone))
    assert gone[0] == set() and gone[10] == set(roster.people)
    points = curve(roster, seed, 20)
    assert all(a.orphaned <= b.orphaned and a.lost <= b.lost for a, b in pairwise(points))


def test_the_curve_is_the_known_probability_that_all_owners_are_among_those_who_left() -> None:
    """Ten components with two owners each of twenty people: C(18, k-2) / C(20, k), within what 2,000 draws can show."""
    ten = Roster({f"c{n}": (f"p{2 * n}", f"p{2 * n + 1}") for n in range(10)})
    for p in curve(ten, 3, 2000):
        exact = comb(18, p.people - 2) / comb(20, p.people) if p.people >= 2 else 0.0
        assert p.orphaned == pytest.approx(exact, abs=0.02)


def test_one_seed_gives_one_curve_and_another_another() -> None:
    """No generator is shared: the same numbers, whatever was drawn before."""
    assert curve(SHOP, 1, 30) == curve(SHOP, 1, 30) != curve(SHOP, 2, 30)
    assert curve(Roster({}), 1) == ()


def test_an_extra_owner_leaves_fewer_orphans() -> None:
    """The counterfactual of the dossier: 1, 2 and 3 owners a component."""
    names = [f"p{n}" for n in range(30)]
    rosters = [Roster({f"c{n}": names[3 * n : 3 * n + k] for n in range(10)}) for k in (1, 2, 3)]
    half = [next(p.orphaned for p in curve(r, 7, 200) if p.share == 0.5) for r in rosters]
    assert half[0] > half[1] > half[2]


@pytest.mark.parametrize(
    ("share", "breaks", "rate"), [(0.0, 1.0, 1.0), (1.0, 1.0, 5.0), (1.0, 0.0, 1.0), (0.5, 1.0, 1 + 4 * 1 / 6)]
)
def test_incidents_grow_by_the_chores_of_orphans(share: float, breaks: float, rate: float) -> None:
    """Four components with two owners of four people each, one incident a month before."""
    pairs = {"a": ("p", "q"), "b": ("r", "s"), "c": ("p", "r"), "d": ("q", "s")}
    owners: Mapping[str, Sequence[str]] = pairs | {"e": ("p",)}
    assert incident_rate(Roster(owners), ("a", "b", "c", "d"), share, 1.0, breaks) == pytest.approx(rate)


def test_draws_are_even_and_named() -> None:
    """A draw depends on its own name alone; a thousand of them fill [0, 1)."""
    drawn = [unit(7, "x", n) for n in range(1000)]
    assert all(0 <= d < 1 for d in drawn) and 0.45 < sum(drawn) / 1000 < 0.55
    assert shuffled(["b", "a", "c"], 1) == shuffled(["c", "b", "a"], 1)
    assert [n for n in shuffled("abcdef", 1) if n != "d"] == shuffled("abcef", 1)
