"""How much a check must have seen to say anything: below that it is INCONCLUSIVE, whichever way the little points."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos import registry
from chaos.judge.assumptions.machine import Machine
from chaos.judge.assumptions.steady import Steady
from chaos.judge.checkers.metrics import Metrics
from chaos.judge.checkers.promql import Promql
from chaos.judge.checkers.staleness import Staleness
from chaos.judge.judge import judge
from chaos.judge.measures import intervals
from chaos.judge.measures.nodes import away
from chaos.model import Event, Op, Verdict
from chaos.protocols import Checker
from chaos.record.journal import Journal
from tests.unit.histories import BLOW, END, check, every, journal, op, outage

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
LATE = {"took": 3.0}


@pytest.mark.parametrize(
    ("package", "name"),
    [(p, n) for p in ("chaos.judge.checkers", "chaos.judge.assumptions") for n in registry.names(p)],
)
def test_every_check_says_how_much_it_needs_or_why_less_will_do(package: str, name: str) -> None:
    """Thirty, or a reason."""
    cls = registry.load(package, name)
    assert cls.least == Checker.least == 30 or cls.fewer
    assert cls.least >= 1


def text(n: int, bad: int = 0, **how: Any) -> list[Op]:
    """So many operations while the fault is there, the first of them bad."""
    return [op(0.05 + k * 9 / n, **({"result": "fail"} | how if k < bad else {})) for k in range(n)]


@pytest.mark.parametrize(
    ("name", "params", "least"),
    [
        ("availability", {"at_least": 0.5}, 30), ("availability", {"at_least": 0.5, "phase": "during"}, 30),
        ("latency", {"p50_ms": 100}, 30), ("latency", {"p95_ms": 100}, 30), ("latency", {"p99_ms": 100}, 100),
        ("recovery", {"within": 4.0, "journey": "text"}, 30),
    ],
)  # fmt: skip
def test_operations_of_users_must_be_enough(name: str, params: dict[str, Any], least: int) -> None:
    """One operation acquits nobody and convicts nobody; so do all but one of those that are needed."""
    made: Checker = registry.build(registry.load("chaos.judge.checkers", name), {"journey": "text"} | params)
    for n in (1, 2, least - 1):
        assert made.check(journal(text(n))).verdict is INCONCLUSIVE, n
        assert made.check(journal(text(n, n))).verdict is INCONCLUSIVE, n
    assert made.check(journal(text(least))).verdict is PASS
    assert made.check(journal(text(least, least))).verdict is not PASS


def test_a_quantile_with_enough_convicts_beside_one_without() -> None:
    """Half of forty answers are late: p50 is known to be, p99 is not known."""
    made: Checker = registry.build(
        registry.load("chaos.judge.checkers", "latency"), {"journey": "text", "p50_ms": 100, "p99_ms": 100}
    )
    assert made.check(journal(text(40, 21, result="ok", **LATE))).verdict is FAIL
    assert made.check(journal(text(40, 3, result="ok", **LATE))).verdict is INCONCLUSIVE


def test_a_run_of_one_operation_is_no_pass() -> None:
    """Of the whole judge: whatever its checks ask, nothing was seen."""
    checks = (check("availability", at_least=0.5), check("recovery", journey="text", within=4.0))
    found = judge(journal([op(-1.0), op(1.0)], checks=checks))
    assert found.verdict is INCONCLUSIVE


def test_the_steady_state_is_not_one_good_operation() -> None:
    """Thirty, all journeys together."""
    assert Steady().check(journal(every(0.25, -7.25, 0))).verdict is INCONCLUSIVE
    assert Steady().check(journal(every(0.25, -7.5, 0))).verdict is PASS


def refreshes(fresh: int, failed: int = 0, old: int = 0) -> Journal:
    how: list[dict[str, Any]] = [{"age": 0.1}] * fresh + [{"result": "info"}] * failed + [{"age": 99.0}] * old
    ops = [op(0.01 * k, journey="feed", **({"op": "refresh"} | one)) for k, one in enumerate(how)]
    return journal([*ops, *every(1, 0, 9, journey="feed", op="like")])


@pytest.mark.parametrize(
    ("fresh", "failed", "old", "verdict"),
    [
        (1, 500, 0, INCONCLUSIVE), (29, 0, 0, INCONCLUSIVE), (0, 0, 29, INCONCLUSIVE), (30, 0, 0, PASS),
        (100, 500, 0, INCONCLUSIVE), (100, 11, 0, PASS), (100, 12, 0, INCONCLUSIVE), (100, 5, 6, PASS),
        (100, 0, 12, FAIL), (100, 500, 12, FAIL), (0, 500, 0, INCONCLUSIVE),
    ],
)  # fmt: skip
def test_a_refresh_that_failed_is_not_fresh(fresh: int, failed: int, old: int, verdict: Verdict) -> None:
    """One in ten may be old. What nobody saw acquits nobody, and only what was seen to be old convicts."""
    assert Staleness("feed", older_than=2.0, at_most=0.1).check(refreshes(fresh, failed, old)).verdict is verdict


def test_users_who_never_came_back_were_not_seen_to_stay() -> None:
    """Twenty were logged in before, and one of them made thirty visits since."""
    made: Checker = registry.build(registry.load("chaos.judge.checkers", "sessions"), {"client": "app", "at_least": 1})
    before = [op(-1.0, user=f"u{k}") for k in range(20)]
    one = every(0.25, 1, 9, user="u0")
    assert made.check(journal([*before, *one[:29]])).verdict is INCONCLUSIVE
    assert made.check(journal([*before, *one])).verdict is INCONCLUSIVE
    rest = [op(2.0, user=f"u{k}") for k in range(20)]
    assert made.check(journal([*before, *one, *rest])).verdict is PASS


def asked(*times: float, value: float = 0.0, **nodes: float) -> list[Event]:
    return [Event(t, "probe.sample", "p", nodes or {"value": value}) for t in times]


def seconds(start: int, end: int) -> list[float]:
    return [t + 0.2 for t in range(start, end)]


def promql(*events: Event, phase: str = "all", **bounds: float) -> Verdict:
    made = Promql("up", name="p", phase=phase, **(bounds or {"at_most": 1.0}))  # type: ignore[arg-type]
    told = sorted([*BLOW, *END, *events], key=lambda e: e.t)
    return made.check(journal(every(0.25, -10, 20), told)).verdict


@pytest.mark.parametrize(
    ("events", "phase", "verdict"),
    [
        (asked(-15.0), "all", INCONCLUSIVE), (asked(*seconds(-60, -11)), "all", INCONCLUSIVE),
        (asked(1.0), "all", INCONCLUSIVE), (asked(*seconds(0, 9)), "all", INCONCLUSIVE),
        (asked(*seconds(0, 10)), "all", PASS), (asked(*seconds(0, 20)), "all", PASS),
        (asked(*seconds(10, 14)), "after", INCONCLUSIVE), (asked(*seconds(10, 15)), "after", PASS),
        (asked(*seconds(0, 10)), "after", INCONCLUSIVE), (asked(*seconds(0, 5)), "during", PASS),
        (asked(5.0, value=2.0), "all", FAIL), (asked(5.0, value=2.0), "during", FAIL),
        (asked(-15.0, value=2.0), "all", INCONCLUSIVE),
    ],
)  # fmt: skip
def test_samples_must_be_of_the_phase_and_of_half_its_seconds(
    events: list[Event], phase: str, verdict: Verdict
) -> None:
    """The timeline takes 20 s, 10 of them with the fault. One that is out of bounds is enough to convict."""
    assert promql(*events, phase=phase) is verdict


def test_no_check_needs_more_samples_than_thirty() -> None:
    """Of a long phase a sample every few seconds will do."""
    sparse = asked(*(t + 0.2 for t in range(0, 200, 5)))
    told = sorted([*BLOW, *sparse, *END], key=lambda e: e.t)
    found = Promql("up", at_most=1.0, name="p").check(journal([], told, length=180.0))
    assert found.verdict is PASS


def test_true_is_no_sample() -> None:
    """Nor is text."""
    odd = [Event(t, "probe.sample", "p", {"value": True, "said": "1"}) for t in seconds(0, 20)]
    assert promql(*odd, at_most=2.0) is INCONCLUSIVE


def primaries(*silent: float, blow: tuple[Event, ...] = BLOW, sums: int = 1, **bounds: float) -> Verdict:
    """Chat-b is the primary; chat-a says nothing at these seconds."""
    values = [
        Event(t + 0.2, "probe.sample", "p", {"chat-b": float(sums)} | ({} if t in silent else {"chat-a": 0.0}))
        for t in range(20)
    ]
    made = Metrics("chat", "primary", total=True, name="p", **(bounds or {"at_most": 1.0}))  # type: ignore[arg-type]
    told = sorted([*blow, *values, *END], key=lambda e: e.t)
    return made.check(journal(every(0.25, -10, 20), told)).verdict


DOWN = (
    *BLOW[:2],
    Event(0.1, "node.down", "chat-a", {"step": "blow"}),
    BLOW[2],
    Event(11.5, "node.up", "chat-a", {"step": "blow"}),
)


def test_a_node_that_is_silent_acquits_nobody() -> None:
    """It may be the second primary. One answer that is missing is no silence; one that is dead is no primary."""
    assert primaries() is PASS
    assert primaries(7) is PASS
    assert primaries(*range(4, 9)) is INCONCLUSIVE
    assert primaries(*range(20)) is INCONCLUSIVE
    assert primaries(*range(16, 20)) is INCONCLUSIVE, "to the end"
    assert primaries(*range(4)) is INCONCLUSIVE, "from the beginning"
    assert primaries(*range(11), blow=DOWN) is PASS
    assert primaries(*range(16), blow=DOWN) is INCONCLUSIVE, "it was well again, and said nothing"
    assert primaries(*range(12), blow=DOWN[:-1]) is PASS
    assert primaries(*range(16), blow=DOWN[:-1]) is INCONCLUSIVE, "healed, and never heard of again"


def test_a_node_that_is_silent_hides_no_failure() -> None:
    """What was heard is enough to convict by at_most; a sum without it says nothing of at_least."""
    assert primaries(*range(4, 9), sums=2) is FAIL
    assert primaries(at_least=1.0) is PASS
    assert primaries(*range(4, 9), at_least=1.0, sums=0) is FAIL, "where both were heard"
    assert primaries(*range(20), at_least=1.0, sums=0) is INCONCLUSIVE
    assert primaries(*range(11), blow=DOWN, at_least=1.0, sums=0) is FAIL, "the other one is known to be dead"


def test_a_component_of_which_nobody_answers_for_a_while_is_silent() -> None:
    """Then there is no sample at all."""
    events = [e for t in seconds(0, 20) if not 5 < t < 10 for e in asked(t, **{"chat-a": 0.0, "chat-b": 1.0})]
    told = sorted([*BLOW, *events, *END], key=lambda e: e.t)
    made = Metrics("chat", "primary", total=True, at_most=1.0, name="p")
    assert made.check(journal(every(0.25, -10, 20), told)).verdict is INCONCLUSIVE


def test_a_node_is_away_from_the_blow_to_its_first_answer() -> None:
    """Or to the heal, where nobody saw it well again."""
    assert away(journal([], (*DOWN, *END))) == {"chat-a": ((0.0, 11.5),)}
    assert away(journal([], (*DOWN[:-1], *END))) == {"chat-a": ((0.0, 10.0),)}
    assert away(journal([], (*DOWN[:3], *END))) == {"chat-a": ((0.0, 22.0),)}
    assert away(journal([])) == {}


def test_a_machine_that_was_looked_at_for_a_moment_excuses_nobody() -> None:
    """Fewer samples than it judges at a time are as good as none."""
    for n, verdict in ((1, PASS), (4, PASS), (5, INCONCLUSIVE)):
        stolen = [Event(float(t), "probe.sample", "machine", {"stolen": 0.9}) for t in range(n)]
        found = Machine().check(journal([], (*BLOW, *stolen, *END)))
        assert found.verdict is verdict
        late = check("recovery", journey="text", within=2.0)
        told = sorted([*BLOW, *stolen, *END], key=lambda e: e.t)
        assert judge(journal(outage(1, 4), told, checks=(late,))).verdict is (FAIL if n < 5 else INCONCLUSIVE)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_of_a_share_holds_the_share_and_stays_a_share(found: tuple[int, int]) -> None:
    """And narrows as operations grow."""
    good, n = found
    low, high = intervals.wilson(good, n)
    assert 0 <= low <= good / n <= high <= 1 and low < high
    wide, narrow = intervals.wilson(good, n), intervals.wilson(good * 9, n * 9)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_intervals_are_those_of_the_books() -> None:
    """Wilson's of 0 and of 81 in 263 (Newcombe 1998); ranks 40 and 61 of the median of 100."""
    assert [round(x, 4) for x in intervals.wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(x, 4) for x in intervals.wilson(0, 20)] == [0.0, 0.1611]
    assert intervals.quantile(range(1, 101), 0.5) == (40, 61)


@given(st.lists(st.floats(0, 1e3) | st.just(math.inf), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_an_interval_of_a_quantile_holds_the_quantile(values: list[float], q: float) -> None:
    """Waits without an answer included."""
    ordered = sorted(values)
    low, high = intervals.quantile(ordered, q)
    assert low <= ordered[max(0, math.ceil(q * len(ordered)) - 1)] <= high
