"""Shapes without a kernel: the fate of each packet, on a clock of the test's own."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.helper.shapes import Shape, Shapes
from tests.messages import Says

A, B, C = "10.77.1.1", "10.77.2.1", "10.77.3.1"


def fates(shapes: Shapes, n: int = 1000, src: str = A, dst: str = B, step: float = 0.001) -> list[list[Any]]:
    """The fate of `n` packets of 1,000 bytes, one every `step` seconds."""
    return [list(shapes.decide(src, dst, 1000, step * k)) for k in range(n)]


def dues(found: list[list[Any]]) -> list[float]:
    return [copies[0][0] for copies in found if copies]


def test_a_packet_that_no_shape_meets_goes_on_at_once() -> None:
    """Also a packet of the group to itself, where the other side is everybody else."""
    shapes = Shapes([Shape(a=[A, B], loss=1.0)])
    assert shapes.decide(A, B, 100, 7.0) == [(7.0, False)]
    assert shapes.decide(A, C, 100, 7.0) == [] == shapes.decide(C, A, 100, 7.0)
    assert shapes.listing()[0]["packets"] == 2


def test_one_direction_leaves_the_other_alone() -> None:
    """`both` is what is meant where nothing is said."""
    one_way, both = (
        Shapes([shape]) for shape in (Shape(a=[A], b=[B], both=False, loss=1), Shape(a=[A], b=[B], loss=1))
    )
    assert [bool(one_way.decide(*pair, 1, 0.0)) for pair in ((A, B), (B, A), (A, C))] == [False, True, True]
    assert [bool(both.decide(*pair, 1, 0.0)) for pair in ((A, B), (B, A), (A, C))] == [False, False, True]


def test_delays_add_and_the_lowest_rate_wins() -> None:
    """20 and 5 ms behind 1,000 bytes at 100 kB/s, beside a faster line."""
    shapes = Shapes([Shape(a=[A], delay_ms=20, rate_kbit=800), Shape(a=[B], delay_ms=5, rate_kbit=8000)])
    assert dues(fates(shapes, 3, step=0)) == pytest.approx([0.035, 0.045, 0.055])


def test_losses_are_independent() -> None:
    """Half of a half arrives, and each shape knows what it lost."""
    shapes = Shapes([Shape(a=[A], loss=0.5, seed=1), Shape(a=[B], loss=0.5, seed=2)])
    arrived = len(dues(fates(shapes, 4000)))
    assert 850 < arrived < 1150
    assert all(1800 < shape["lost"] < 2200 for shape in shapes.listing())


def test_directions_do_not_share_a_line_but_a_group_does() -> None:
    """What goes back waits for nothing that went there; two senders of a group wait for each other."""
    shapes = Shapes([Shape(a=[A, C], b=[B], rate_kbit=800)])
    there, back, beside = (shapes.decide(*pair, 1000, 0.0)[0][0] for pair in ((A, B), (B, A), (C, B)))
    assert (there, back, beside) == pytest.approx((0.01, 0.01, 0.02))


def test_a_full_buffer_drops_and_empties_at_the_rate() -> None:
    """A second of data waits, the next is dropped; half a second later there is room for half of that."""
    shapes = Shapes([Shape(a=[A], rate_kbit=800)])
    assert len(dues(fates(shapes, 150, step=0))) == 100
    later = [shapes.decide(A, B, 1000, 0.5) for _ in range(60)]
    assert sum(map(bool, later)) == 50
    assert shapes.listing()[0]["full"] == 60 and shapes.listing()[0]["lost"] == 0


def test_the_early_overtake_and_pay_for_the_line_all_the_same() -> None:
    """Everybody early: all at once, but no more of them than the line and its buffer take."""
    shapes = Shapes([Shape(a=[A], rate_kbit=800, reorder=1)])
    assert dues(fates(shapes, 150, step=0)) == [0.0] * 100
    assert shapes.listing()[0]["reordered"] == 100


def test_the_early_of_one_shape_wait_for_the_others() -> None:
    """Only this shape's delay is left out."""
    shapes = Shapes([Shape(a=[A], delay_ms=50, reorder=1), Shape(a=[B], delay_ms=10)])
    assert dues(fates(shapes, 1)) == pytest.approx([0.01])


def test_jitter_is_even_around_the_delay_and_never_negative() -> None:
    """10 ± 5 ms, seen on packets far enough apart; 1 ± 5 ms is cut at 0."""
    given = [due - k for k, due in enumerate(dues(fates(Shapes([Shape(a=[A], delay_ms=10, jitter_ms=5)]), step=1)))]
    assert 0.005 <= min(given) < 0.0055 and 0.0145 < max(given) <= 0.0151
    assert sum(given) / len(given) == pytest.approx(0.01, abs=0.0005)
    cut = [due - k for k, due in enumerate(dues(fates(Shapes([Shape(a=[A], delay_ms=1, jitter_ms=5)]), step=1)))]
    assert min(cut) == 0


def test_counts_say_what_became_of_packets() -> None:
    """Shares within bounds, copies and damage as they were handed out, delays as they were given."""
    shapes = Shapes([Shape(a=[A], delay_ms=2, loss=0.1, duplicate=0.2, corrupt=0.3, seed=4)])
    found = fates(shapes, 2000)
    (counts,) = shapes.listing()
    went_on = [copies for copies in found if copies]
    assert counts["packets"] == 2000 and counts["lost"] == 2000 - len(went_on)
    assert counts["duplicated"] == sum(len(copies) - 1 for copies in went_on)
    assert counts["corrupted"] == sum(damaged for copies in went_on for _, damaged in copies)
    assert counts["delayed_ms"] == pytest.approx(2 * len(went_on))
    assert 140 < counts["lost"] < 260 and 280 < counts["duplicated"] < 440 and 520 < counts["corrupted"] < 780


def test_the_distance_between_zones_does_not_pass_for_a_rate() -> None:
    """Each shape is charged with what it adds: 5 ms, and the wait for a line of 8 kilobytes a second."""
    shapes = Shapes([Shape(a=[A], delay_ms=5), Shape(a=[A], rate_kbit=64)])
    assert [shapes.decide(A, B, 80, 0.0)[0][0] for _ in range(2)] == pytest.approx([0.015, 0.025])
    assert [s["delayed_ms"] for s in shapes.listing()] == pytest.approx([10, 30])


def test_of_two_rates_only_the_lower_one_is_felt() -> None:
    """The other holds nothing back that this one had not held back already."""
    shapes = Shapes([Shape(a=[A], rate_kbit=6400), Shape(a=[A], rate_kbit=64)])
    shapes.decide(A, B, 80, 0.0)
    wide, narrow = (s["delayed_ms"] for s in shapes.listing())
    assert wide == pytest.approx(0) and narrow == pytest.approx(9.9)


def test_packets_of_others_change_nobodys_fate() -> None:
    """The nth packet of a pair draws the same lots whoever sends between; another seed draws others."""
    shape = Shape(a=[A], loss=0.5, seed=3)
    alone, crowded, other = Shapes([shape]), Shapes([shape]), Shapes([Shape(a=[A], loss=0.5, seed=4)])
    mixed = []
    for copies in (crowded.decide(A, B, 1000, 0.001 * k) for k in range(200)):
        mixed.append(list(copies))
        crowded.decide(A, C, 500, 0)
    assert fates(alone, 200) == mixed != fates(other, 200)


def test_a_shape_that_stays_goes_on_and_one_that_changed_starts_anew() -> None:
    """Counts and lots of the first; a pair that meets another set of shapes has no place to keep."""
    same = Shape(a=[A], loss=0.5)
    unbroken, first = Shapes([same]), Shapes([same, Shape(a=[C], delay_ms=9)])
    half = fates(first, 50)
    second = Shapes([same, Shape(a=[C], delay_ms=5)], first)
    both_halves = [*half, *fates(second, 50)]
    assert list(map(bool, both_halves)) == list(map(bool, fates(unbroken, 100)))
    assert [shape["packets"] for shape in second.listing()] == [100, 0]
    assert second.continues(A, B, first) and not second.continues(C, B, first)


shares = st.sampled_from([0.0, 0.3, 1.0])
asked = st.builds(
    Shape,
    a=st.sampled_from([[A], [B], [A, C]]),
    b=st.none(),
    delay_ms=st.sampled_from([0, 5, 50]),
    jitter_ms=st.sampled_from([0, 20, 80]),
    loss=st.sampled_from([0.0, 0.2]),
    duplicate=shares,
    corrupt=shares,
    rate_kbit=st.sampled_from([0, 500, 5000]),
    seed=st.integers(0, 9),
)


@given(st.lists(asked, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_without_reordering_nobody_overtakes(shapes: list[Shape], chance: random.Random) -> None:
    """Whatever jitters, waits or is lost: within a pair due times never go back, and none lies in the past."""
    standing, last, now = Shapes(shapes), {(A, B): 0.0, (B, A): 0.0}, 0.0
    for _ in range(60):
        now += chance.choice([0.0, 0.001, 0.05])
        pair = chance.choice([(A, B), (B, A)])
        for due, _ in standing.decide(*pair, chance.randint(20, 1500), now):
            assert due >= max(now, last[pair])
            last[pair] = due


@given(st.lists(asked, min_size=1, max_size=3))
def test_the_same_packets_meet_the_same_fate(shapes: list[Shape]) -> None:
    """Every time, and the counts are the same too."""
    first, second = Shapes(shapes), Shapes(shapes)
    assert fates(first, 50) == fates(second, 50)
    assert first.listing() == second.listing()


@pytest.mark.parametrize(
    "shape",
    [
        {"a": [A], "delay": 5},
        {"a": []},
        {"a": A},
        {"a": [A], "b": []},
        {"a": [A], "loss": 1.5},
        {"a": [A], "corrupt": "much"},
        {"a": [A], "delay_ms": -1},
        {"a": [A], "rate_kbit": float("inf")},
        {"a": [A], "reorder": 0.5},
    ],
    ids=str,
)
def test_a_shape_that_makes_no_sense_is_refused_in_words(shape: Any, says: Says) -> None:
    """Before anything is in force."""
    with says.raises(ValueError):
        Shapes([shape])
