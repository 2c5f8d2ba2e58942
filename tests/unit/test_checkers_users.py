"""Checks on what users lived through: each with a history it passes and a planted bug it fails."""

from __future__ import annotations

import pytest

from chaos import registry
from chaos.checkers.availability import Availability
from chaos.checkers.delivery import Delivery
from chaos.checkers.latency import Latency
from chaos.checkers.promql import Promql
from chaos.checkers.recovery import Recovery
from chaos.errors import BadExperiment
from chaos.evidence import LIMIT
from chaos.model import Event, Finding, Verdict
from tests.unit.histories import BLOW, END, every, journal, op, outage, readback, send

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def test_availability_passes_a_journey_nobody_missed() -> None:
    """All 120 operations ok."""
    found = Availability(journey="text", at_least=0.999).check(journal(outage(1, 1)))
    assert found == Finding("availability text", PASS, "120 of 120 ok (100.00%), wanted at least 99.9%")


def test_availability_convicts_by_the_operations_that_failed() -> None:
    """Two of 120, the refused one and the unknown one alike."""
    ops = [op(-9.9, "fail"), *every(0.25, -9, 20), op(1.1, "info")]
    found = Availability(journey="text", at_least=0.99).check(journal(ops))
    words = "116 of 118 ok (98.31%), wanted at least 99%"
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
    assert found == Finding("availability mail", INCONCLUSIVE, "no operation of mail was recorded")


def test_latency_passes_when_every_quantile_is_within() -> None:
    """Ten milliseconds each."""
    found = Latency(journey="text", p50_ms=20, p99_ms=20).check(journal(outage(1, 1)))
    words = "p50 10.0 ms, wanted at most 20 ms; p99 10.0 ms, wanted at most 20 ms (120 operations)"
    assert found == Finding("latency text", PASS, words)


def test_latency_convicts_by_the_slow_operations() -> None:
    """A stall seen from the intended start."""
    ops = [*every(0.25, 0, 5), op(5.0, took=3.0)]
    found = Latency(journey="text", p99_ms=100).check(journal(ops))
    assert (found.verdict, found.evidence) == (FAIL, ("ops:21",))


def test_latency_does_not_get_better_by_refusing_users() -> None:
    """Ten percent are turned away in a millisecond: the 95th user got no answer."""
    ops = [*every(0.1, 0, 9), *every(0.1, 9, 10, "fail", took=0.001)]
    found = Latency(journey="text", p95_ms=100).check(journal(ops))
    assert (found.verdict, len(found.evidence)) == (FAIL, 10)
    assert found.summary == "p95 no answer, wanted at most 100 ms (100 operations)"


def test_latency_of_nothing_is_inconclusive() -> None:
    """No operation, no verdict."""
    assert Latency(journey="mail", p50_ms=1).check(journal([op(1)])).verdict is INCONCLUSIVE


def test_latency_without_a_limit_is_refused_while_planning() -> None:
    """The registry turns it into words for the file's author."""
    with pytest.raises(BadExperiment, match="expected at least one of p50_ms"):
        registry.build(Latency, {"journey": "text"})


def test_recovery_passes_a_return_in_time() -> None:
    """Gone for three seconds, four allowed."""
    found = Recovery("text", 4.0).check(journal(outage(1, 4)))
    assert (found.verdict, found.summary) == (PASS, "back after 3.00 s, wanted within 4.00 s, known to 0.25 s")


def test_recovery_convicts_a_return_that_came_too_late() -> None:
    """In incident time where the run has a scale; evidence is capped, first lines first."""
    ops = [*every(0.25, -10, 0), *every(0.05, 0, 5, "fail"), *every(0.25, 5, 20)]
    found = Recovery("text", 4.0).check(journal(ops, scale=3600.0))
    assert found.verdict is FAIL
    assert found.summary.startswith("back after 5 h of incident time (5.00 s), wanted within 4 h of incident time")
    assert found.evidence == tuple(f"ops:{n}" for n in range(41, 41 + LIMIT))


def test_recovery_convicts_a_journey_that_never_came_back() -> None:
    """Watched for ten seconds, two were allowed."""
    found = Recovery("text", 2.0).check(journal([*every(0.25, -10, 1), *every(0.25, 1, 11, "fail")]))
    assert (found.verdict, found.summary) == (FAIL, "never came back, wanted within 2.00 s")


def test_recovery_cannot_say_when_the_load_ended_too_early() -> None:
    """One second after the first failure the load was over; within four it might have come back."""
    found = Recovery("text", 4.0).check(journal([*every(0.25, -10, 1), *every(0.25, 1, 2, "fail")]))
    assert found.verdict is INCONCLUSIVE


def test_recovery_of_a_journey_nobody_used_is_inconclusive() -> None:
    """Used before the fault only."""
    assert Recovery("text", 4.0).check(journal(every(0.25, -10, -1))).verdict is INCONCLUSIVE


def test_recovery_passes_a_journey_that_never_failed() -> None:
    """It says how many operations it rests on."""
    found = Recovery("text", 4.0).check(journal(outage(1, 1)))
    assert found.summary == "none of 80 operations failed, wanted back within 4.00 s"


def test_delivery_passes_when_everything_is_there_once() -> None:
    """Two journeys read back."""
    ops = [send(1, "a"), send(2, "b", journey="pay", op="transfer")]
    found = Delivery().check(journal([*ops, readback("u1", ["a"]), readback("u1", ["b"], journey="pay")]))
    assert found == Finding("delivery", PASS, "0 lost, 0 ghost, 0 duplicated of 2 acknowledged writes (pay, text)")


def test_records_older_than_the_mark_name_their_writes() -> None:
    """`send` and `transfer` were writes before operations were marked; in a marked record a name means nothing."""
    old, named = send(1, "a", write=False), send(2, "b", write=False)
    assert "1 lost" in Delivery().check(journal([old, named, readback("u1", ["a"])])).summary
    marked = op(2, id="c", op="order", write=True)
    found = Delivery().check(journal([old, marked, readback("u1", ["c"])]))
    assert found.summary.startswith("0 lost, 0 ghost, 0 duplicated of 1 ")


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


def test_delivery_convicts_in_spite_of_a_broken_read_back() -> None:
    """What is known to be lost stays lost."""
    ops = [send(1, "a"), send(2, "b", user="u2"), readback("u1", []), readback("u2", [], "info")]
    assert Delivery().check(journal(ops)).verdict is FAIL


def test_delivery_of_nothing_acknowledged_is_inconclusive() -> None:
    """Nothing can be lost where nothing was promised."""
    assert Delivery().check(journal([send(1, "a", "info"), readback("u1", [])])).verdict is INCONCLUSIVE


def samples(*values: float) -> list[Event]:
    found = [Event(float(k), "probe.sample", "errors", {"value": v}) for k, v in enumerate(values, 9)]
    return [*BLOW, *found, *END]


def test_promql_passes_samples_within_their_bounds() -> None:
    """Only those of its own phase count: the one at 9 s was during the fault."""
    found = Promql("up", at_most=1.0, phase="after", name="errors").check(journal([], samples(50, 1, 0)))
    assert (found.verdict, found.summary) == (PASS, "0 to 1 in 2 samples after the faults, wanted at most 1")


def test_promql_convicts_by_the_samples_out_of_bounds() -> None:
    """Lines of the journal."""
    found = Promql("up", at_least=1.0, at_most=40, name="errors").check(journal([], samples(50, 1, 0)))
    assert (found.verdict, found.evidence) == (FAIL, ("journal:4", "journal:6"))


def test_promql_without_a_sample_is_inconclusive() -> None:
    """Neither a missing probe nor not-a-number is an answer."""
    assert Promql("up", at_most=1.0, name="other").check(journal([], samples(0.0))).verdict is INCONCLUSIVE
    assert Promql("up", at_most=1.0, name="errors").check(journal([], samples(float("nan")))).verdict is INCONCLUSIVE


def test_promql_without_a_bound_is_refused_while_planning() -> None:
    """It would pass whatever came."""
    with pytest.raises(BadExperiment, match="expected at_most or at_least"):
        registry.build(Promql, {"expr": "up"})


@pytest.mark.parametrize("name", registry.names("chaos.checkers"))
def test_every_checker_has_a_help_text_and_one_public_class(name: str) -> None:
    """`chaos show` prints both."""
    assert registry.summary(registry.load("chaos.checkers", name)).endswith(".")
