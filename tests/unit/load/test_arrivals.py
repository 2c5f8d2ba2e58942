"""The schedule of arrivals: pure, open, and without holes."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.load.arrivals import apportion, choose, schedule, with_peak
from tests.messages import Says

SEEDS = st.integers(0, 2**32)
RATES = st.floats(0.5, 200)


@given(SEEDS, RATES, st.integers(1, 50), st.floats(-20, 0), st.floats(0, 20))
@settings(max_examples=50, deadline=None)
def test_every_slot_has_one_arrival(seed: int, rate: float, users: int, start: float, end: float) -> None:
    """Any stretch holds its rate times its length, give or take the two slots at its ends."""
    arrivals = schedule(seed, rate, users, start, end)
    assert abs(len(arrivals) - rate * (end - start)) <= 2
    assert all(start <= a.t < end and 0 <= a.user < users and 0 <= a.draw < 1 for a in arrivals)
    assert [a.t for a in arrivals] == sorted(a.t for a in arrivals)


@given(SEEDS, RATES, st.floats(-30, 0), st.floats(-30, 0))
@settings(max_examples=50, deadline=None)
def test_the_steady_phase_does_not_move_what_comes_after_it(seed: int, rate: float, one: float, two: float) -> None:
    """Runs of one seed have the same arrivals on the timeline, however long they took to be steady."""
    after = [[a for a in schedule(seed, rate, 7, start, 5.0) if a.t >= 0] for start in (one, two)]
    assert after[0] == after[1]


def test_another_seed_is_another_schedule() -> None:
    """The seed decides when, who and what for."""
    one, two = (schedule(seed, 10, 20, 0, 10) for seed in (1, 2))
    assert not set(one) & set(two)


@pytest.mark.parametrize("seed", range(5))
def test_no_journey_has_a_hole_that_looks_like_an_outage(seed: int) -> None:
    """At 60/s a journey with 5 % of arrivals, whoever makes it, is never absent for a second."""
    last: dict[tuple[str, int], float] = {}
    longest: dict[tuple[str, int], float] = defaultdict(float)
    for a in schedule(seed, 60, 60, 0, 240):
        kind = ("app", choose([62, 5, 33], a.draw)) if a.user < 48 else ("other", choose([1, 3], a.draw))
        longest[kind] = max(longest[kind], a.t - last.get(kind, 0.0))
        last[kind] = a.t
    assert longest["other", 0] < 1.0  # 5 % of all
    assert longest["app", 1] < 1.5  # 4 % of all
    assert longest["app", 0] < 0.2  # half of all


def test_users_come_equally_often() -> None:
    """Nobody is forgotten, nobody comes twice as often."""
    visits = Counter(a.user for a in schedule(7, 60, 60, 0, 60))
    assert set(visits) == set(range(60))
    assert max(visits.values()) - min(visits.values()) <= 12


@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(0, 3)), min_size=1, max_size=8), st.integers(0, 500))
def test_users_are_apportioned_whole(classes: list[tuple[float, int]], more: int) -> None:
    """Nobody is lost in rounding, and no class falls below its least."""
    weights, least = [w for w, _ in classes], [n for _, n in classes]
    given_ = apportion(weights, least, sum(least) + more)
    assert sum(given_) == sum(least) + more
    assert all(g >= n for g, n in zip(given_, least, strict=True))


def test_users_are_apportioned_by_weight() -> None:
    """The largest remainder gets the user that is left over."""
    assert apportion([67, 12, 5, 8, 8], [2, 1, 1, 1, 2], 60) == [40, 7, 3, 5, 5]


def test_too_few_users_are_refused(says: Says) -> None:
    """The words say how many are needed."""
    with says.raises(ValueError):
        apportion([1, 1], [2, 1], 2)


def test_a_draw_falls_into_a_weight() -> None:
    """Shares are weights over their sum, and the ends belong to the first and the last."""
    assert [choose([1, 2, 1], d) for d in (0.0, 0.249, 0.25, 0.74, 0.75, 0.9999999)] == [0, 0, 1, 1, 2, 2]


def test_a_peak_adds_arrivals_and_moves_none() -> None:
    """Four times the rate from 2 s to 5 s; everybody who would have come anyway comes as he would have."""
    ordinary = schedule(7, 10.0, 8, -3.0, 10.0)
    crowded = with_peak(ordinary, 7, 10.0, 8, (2.0, 5.0, 4.0))
    assert set(ordinary) <= set(crowded) and crowded == sorted(crowded)
    assert len(crowded) - len(ordinary) == 90
    assert all(2.0 <= a.t < 5.0 for a in set(crowded) - set(ordinary))
