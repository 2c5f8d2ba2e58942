"""Checks on what users lived through: each with a history it passes and a planted bug it fails."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chaos import registry
from chaos.errors import BadExperiment
from chaos.judge.checkers.availability import Availability
from chaos.judge.checkers.delivery import Delivery
from chaos.judge.checkers.latency import Latency
from chaos.judge.checkers.promql import Promql
from chaos.judge.checkers.recovery import Recovery
from chaos.model import Event, Finding, Verdict
from chaos.record.evidence import LIMIT
from tests.messages import Says
from tests.unit.histories import BLOW, END, every, journal, op, outage, readback, send

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def test_availability_passes_a_journey_nobody_missed() -> None:
    """All 120 operations ok."""
    found = Availability(journey="text", at_least=0.999).check(journal(outage(1, 1)))
    words = "120 of 120 ok (100.00%, 95% interval 96.90% to 100.00%), wanted at least 99.9%"
    assert found == Finding("availability text", PASS, words)


def test_availability_convicts_by_the_operations_that_failed() -> None:
    """Two of 120, the refused one and the unknown one alike."""
    ops = [op(-9.9, "fail"), *every(0.25, -9, 20), op(1.1, "info")]
    found = Availability(journey="text", at_least=0.99).check(journal(ops))
    words = "116 of 118 ok (98.31%, 95% interval 94.03% to 99.53%), wanted at least 99%"
    assert found == Finding("availability text", FAIL, words, ("ops:1", "ops:118"))


def test_availability_looks_at_the_phase_it_is_told() -> None:
    """Bad during the faults, good after them."""
    j = journal(outage(1, 9))
    assert Availability(0.5, "text", "during").check(j).verdict is FAIL
    assert Availability(1.0, "text", "after").check(j).verdict is PASS


def test_availability_without_a_journey_takes_all_together() -> None:
    """Half of the operations are the bank's, and it was well."""
    j = journal([*outage(0, 10), *outage(0, 0, "bank")])
    found = Availability(at_least=0.5, phase="during").check(j)
    assert (found.check, found.verdict) == ("availability", PASS)


def test_availability_of_nothing_is_inconclusive() -> None:
    """No operation, no verdict."""
    found = Availability(journey="mail", at_least=0.5).check(journal(outage(1, 1)))
    assert (found.check, found.verdict, found.evidence) == ("availability mail", INCONCLUSIVE, ())


def test_latency_passes_when_every_quantile_is_within() -> None:
    """Ten milliseconds each."""
    found = Latency(journey="text", p50_ms=20, p99_ms=20).check(journal(outage(1, 1)))
    near = "10.0 ms (95% interval 10.0 ms to 10.0 ms), wanted at most 20 ms"
    words = f"p50 {near}; p99 {near} (120 operations)"
    assert found == Finding("latency text", PASS, words)


def test_latency_convicts_by_the_slow_operations() -> None:
    """A stall seen from the intended start."""
    ops = [*every(0.1, 0, 9.8), op(9.8, took=3.0), op(9.9, took=2.0)]
    found = Latency(journey="text", p99_ms=100).check(journal(ops))
    assert (found.verdict, found.evidence) == (FAIL, ("ops:99", "ops:100"))


def test_latency_does_not_get_better_by_refusing_users() -> None:
    """Ten percent are turned away in a millisecond: the 95th user got no answer."""
    ops = [*every(0.1, 0, 9), *every(0.1, 9, 10, "fail", took=0.001)]
    found = Latency(journey="text", p95_ms=100).check(journal(ops))
    assert (found.verdict, len(found.evidence)) == (FAIL, 10)
    words = "p95 no answer (95% interval 10.0 ms to no answer), wanted at most 100 ms (100 operations)"
    assert found.summary == words


def test_latency_of_nothing_is_inconclusive() -> None:
    """No operation, no verdict."""
    assert Latency(journey="mail", p50_ms=1).check(journal([op(1)])).verdict is INCONCLUSIVE


def test_latency_without_a_limit_is_refused_while_planning(says: Says) -> None:
    """The registry turns it into words for the file's author."""
    with says.raises(BadExperiment):
        registry.build(Latency, {"journey": "text"})


def test_recovery_passes_a_return_in_time(says: Says) -> None:
    """Gone for three seconds, four allowed."""
    found = Recovery("text", 4.0).check(journal(outage(1, 4)))
    assert found.verdict is PASS
    says(found.summary)


def test_recovery_convicts_a_return_that_came_too_late(says: Says) -> None:
    """In incident time where the run has a scale; evidence is capped, first lines first."""
    ops = [*every(0.25, -10, 0), *every(0.05, 0, 5, "fail"), *every(0.25, 5, 20)]
    found = Recovery("text", 4.0).check(journal(ops, scale=3600.0))
    assert found.verdict is FAIL
    says(found.summary)
    assert found.evidence == tuple(f"ops:{n}" for n in range(41, 41 + LIMIT))


def test_recovery_convicts_a_journey_that_never_came_back(says: Says) -> None:
    """Watched for ten seconds, two were allowed."""
    found = Recovery("text", 2.0).check(journal([*every(0.25, -10, 1), *every(0.25, 1, 11, "fail")]))
    assert found.verdict is FAIL
    says(found.summary)


def test_recovery_cannot_say_when_the_load_ended_too_early() -> None:
    """One second after the first failure the load was over; within four it might have come back."""
    found = Recovery("text", 4.0).check(journal([*every(0.25, -10, 1), *every(0.25, 1, 2, "fail")]))
    assert found.verdict is INCONCLUSIVE


def test_recovery_of_a_journey_nobody_used_is_inconclusive() -> None:
    """Used before the fault only."""
    assert Recovery("text", 4.0).check(journal(every(0.25, -10, -1))).verdict is INCONCLUSIVE


def test_recovery_passes_a_journey_that_never_failed(says: Says) -> None:
    """It says how many operations it rests on."""
    found = Recovery("text", 4.0).check(journal(outage(1, 1)))
    assert found.verdict is PASS
    says(found.summary)


def test_delivery_passes_when_everything_is_there_once(says: Says) -> None:
    """Two journeys read back."""
    ops = [send(1, "a"), send(2, "b", journey="pay", op="transfer")]
    found = Delivery().check(journal([*ops, readback("u1", ["a"]), readback("u1", ["b"], journey="pay")]))
    assert (found.check, found.verdict, found.evidence) == ("delivery", PASS, ())
    says(found.summary)


def test_records_older_than_the_mark_name_their_writes(says: Says) -> None:
    """`send` and `transfer` were writes before operations were marked; in a marked record a name means nothing."""
    old, named = send(1, "a", write=False), send(2, "b", write=False)
    found = Delivery().check(journal([old, named, readback("u1", ["a"])]))
    assert found.evidence == ("ops:2",)
    says(found.summary)
    marked = op(2, id="c", op="order", write=True)
    found = Delivery().check(journal([old, marked, readback("u1", ["c"])]))
    assert found.evidence == ()
    says(found.summary)


@pytest.mark.parametrize(
    ("writes", "there", "words", "guilty"),
    [
        ([send(1, "a"), send(2, "b")], ["b"], "1 lost, 0 ghost, 0 duplicated of 2", "ops:1"),
        ([send(1, "a"), send(2, "b", "fail")], ["a", "b"], "0 lost, 1 ghost, 0 duplicated of 1", "ops:2"),
        ([send(1, "a"), send(2, "b", "info")], ["a", "b", "b"], "0 lost, 0 ghost, 1 duplicated of 1", "ops:2"),
    ],
)
def test_delivery_convicts_each_kind_of_wrong(writes: list[object], there: list[str], words: str, guilty: str) -> None:
    """Lost, ghost and duplicated, each named by the write itself."""
    found = Delivery().check(journal([*writes, readback("u1", there)]))  # type: ignore[list-item]
    assert (found.verdict, found.evidence) == (FAIL, (guilty,))
    assert found.summary.startswith(words)


def test_delivery_allows_what_it_is_told_to() -> None:
    """At most one lost."""
    assert Delivery(lost=1).check(journal([send(1, "a"), send(2, "b"), readback("u1", ["b"])])).verdict is PASS


def test_delivery_without_a_read_back_is_inconclusive() -> None:
    """Nobody looked."""
    assert Delivery().check(journal([send(1, "a")])).verdict is INCONCLUSIVE


def test_delivery_with_a_broken_read_back_is_inconclusive() -> None:
    """User u2 could not be read, and might miss something."""
    ops = [send(1, "a"), send(2, "b", user="u2"), readback("u1", ["a"]), readback("u2", [], "info")]
    found = Delivery().check(journal(ops))
    assert (found.verdict, found.evidence) == (INCONCLUSIVE, ("ops:4",))


def test_delivery_with_a_user_nobody_read_is_inconclusive() -> None:
    """There is a read-back, but none of user u2."""
    found = Delivery().check(journal([send(1, "a"), send(2, "b", user="u2"), readback("u1", ["a"])]))
    assert found.verdict is INCONCLUSIVE


def test_delivery_without_the_read_back_of_one_journey_is_inconclusive_and_names_it() -> None:
    """Text was read back; what pay wrote nobody looked at."""
    ops = [send(1, "a"), send(2, "b", journey="pay", op="transfer"), readback("u1", ["a"])]
    found = Delivery().check(journal(ops))
    assert (found.verdict, found.evidence) == (INCONCLUSIVE, ("ops:2",)) and "pay" in found.summary
    refused = [send(1, "a"), send(2, "b", "info", journey="pay"), readback("u1", ["a"])]
    assert Delivery().check(journal(refused)).verdict is PASS, "nothing was promised there"
    lost = Delivery().check(journal([*ops, send(3, "c")]))
    assert lost.verdict is FAIL, "what is known to be lost stays lost"
    of_old = [replace(o, write=False) for o in ops]
    assert Delivery().check(journal(of_old)).verdict is PASS, "which operations were writes is a guess there"


PAGES = (["a"], ["b"], ["c"])


@pytest.mark.parametrize("seen", [(), (1,), (1, 2), (2, 3), (1, 3), (3,), (1, 2, 2, 3), (1, 2, 3, 3)])
def test_a_read_back_that_is_cut_between_two_pages_neither_convicts_nor_acquits(
    seen: tuple[int, ...], says: Says
) -> None:
    """The load says which page is which, and which is the last; any that is missing or twice spoils it."""
    ops = [send(1, "a"), send(2, "b"), send(3, "c"), send(4, "z", user="u2"), readback("u2", ["z"], page=1, last=True)]
    whole = [readback("u1", ids, page=n, last=n == 3) for n, ids in enumerate(PAGES, 1)]
    assert Delivery().check(journal([*ops, *whole])).verdict is PASS
    found = Delivery().check(journal([*ops, *(whole[n - 1] for n in seen)]))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)


def test_a_read_back_whose_pages_go_on_and_on_is_not_complete() -> None:
    """Two pages say that they are the last, or none does."""
    ops = [send(1, "a"), send(2, "b")]
    for marks in ([False, False], [True, True], [True, False]):
        pages = [readback("u1", "ab"[n], page=n + 1, last=last) for n, last in enumerate(marks)]
        assert Delivery().check(journal([*ops, *pages])).verdict is INCONCLUSIVE


def test_delivery_convicts_in_spite_of_a_broken_read_back() -> None:
    """What is known to be lost stays lost."""
    ops = [send(1, "a"), send(2, "b", user="u2"), readback("u1", []), readback("u2", [], "info")]
    assert Delivery().check(journal(ops)).verdict is FAIL


def test_delivery_of_nothing_acknowledged_is_inconclusive() -> None:
    """Nothing can be lost where nothing was promised."""
    assert Delivery().check(journal([send(1, "a", "info"), readback("u1", [])])).verdict is INCONCLUSIVE


def samples(*values: float, start: int = 9) -> list[Event]:
    """One a second."""
    found = [Event(float(k), "probe.sample", "errors", {"value": v}) for k, v in enumerate(values, start)]
    return [*BLOW, *found, *END]


def test_promql_passes_samples_within_their_bounds(says: Says) -> None:
    """Only those of its own phase count: the one at 9 s was during the fault."""
    found = Promql("up", at_most=1.0, phase="after", name="errors").check(journal([], samples(50, 1, 0, 0, 1, 0)))
    assert found.verdict is PASS
    says(found.summary)


def test_promql_convicts_by_the_samples_out_of_bounds() -> None:
    """Lines of the journal."""
    found = Promql("up", at_least=1.0, at_most=40, name="errors").check(journal([], samples(50, 1, 0)))
    assert (found.verdict, found.evidence) == (FAIL, ("journal:4", "journal:6"))


def test_promql_without_a_sample_is_inconclusive() -> None:
    """Neither a missing probe nor not-a-number is an answer."""
    assert Promql("up", at_most=1.0, name="other").check(journal([], samples(0.0))).verdict is INCONCLUSIVE
    assert Promql("up", at_most=1.0, name="errors").check(journal([], samples(float("nan")))).verdict is INCONCLUSIVE


def test_promql_without_a_bound_is_refused_while_planning(says: Says) -> None:
    """It would pass whatever came."""
    with says.raises(BadExperiment):
        registry.build(Promql, {"expr": "up"})


@pytest.mark.parametrize("name", registry.names("chaos.judge.checkers"))
def test_every_checker_has_a_help_text_and_one_public_class(name: str) -> None:
    """`chaos show` prints both."""
    assert registry.summary(registry.load("chaos.judge.checkers", name)).endswith(".")
