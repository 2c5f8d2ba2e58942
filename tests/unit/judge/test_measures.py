"""What is measured: each rule with the smallest history that shows it."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chaos.experiment.plan import Release, Step
from chaos.judge.measures import measure
from chaos.judge.measures.delivery import ledgers, rpo_s
from chaos.judge.measures.load import load
from chaos.judge.measures.phases import phase, resolution
from chaos.judge.measures.recovery import outage as whole
from chaos.judge.measures.recovery import outages, rto_s
from chaos.judge.measures.servers import servers_back, share_back
from chaos.judge.measures.success import quantile_ms
from chaos.model import Event
from chaos.record.findings import Counts, Delivery, Latency, Quantiles, Radius, Range, Rates, Sampled, Success, Writes
from chaos.record.journal import Journal
from tests.unit.histories import BLOW, END, every, incident, journal, op, outage, readback, send


def test_an_operation_in_flight_when_the_fault_struck_was_not_spared() -> None:
    """It is counted during the fault, so the steady state before it is not blamed."""
    j = journal([op(-0.5), op(-0.1, "info", took=2.0), op(5.0), op(10.0), op(12.0)])
    assert [phase(j, o) for o in j.ops] == ["before", "during", "during", "after", "after"]


def test_the_warm_up_is_not_measured() -> None:
    """Failures before the steady phase say nothing about the system."""
    j = journal([*every(0.25, -20, -10, "fail"), *outage(20, 20)])
    assert measure(j).availability["text"].before == 1.0


def test_availability_counts_unknown_answers_against_the_system() -> None:
    """ok / (ok + fail + info), per phase and per kind of client, with the counts behind it."""
    web = op(3.0, "ok", client="web")
    j = journal([op(-5), op(1.0), op(2.0, "info"), web, op(4.0, "fail"), op(15.0)])
    app = Rates(1.0, 0.333333, 1.0, 5, Counts(1, 3, 1))
    web_only = Rates(None, 1.0, None, 1, Counts(0, 1, 0))
    whole = (1.0, 0.5, 1.0, 6, Counts(1, 4, 1))
    assert measure(j).availability["text"] == Success(*whole, {"app": app, "web": web_only})


def test_latency_counts_from_the_intended_start() -> None:
    """A system that stalls is not let off because the load had to wait with it."""
    j = journal([op(1.0, took=2.8)])
    assert measure(j).latency_ms["text"] == Latency(during=Quantiles(2800.0, 2800.0, 2800.0))


def test_turning_users_away_does_not_make_a_system_quick() -> None:
    """An operation without the promised answer took for ever, so the quantile says that there was no answer."""
    ops = [*[op(t, took=0.01) for t in range(90)], *[op(t, "fail", took=0.001) for t in range(90, 100)]]
    assert quantile_ms(ops, 0.5) == pytest.approx(10.0)
    assert quantile_ms(ops, 0.95) is None
    assert quantile_ms([], 0.5) is None


def test_rto_runs_from_the_first_failure_to_the_first_good_stretch() -> None:
    """One outage, gone at 1 s and back at 4 s."""
    assert rto_s(whole(journal(outage(1, 4)), "text")) == 3.0


def test_a_journey_that_never_failed_has_an_rto_of_zero() -> None:
    """Zero, and not None, which means never."""
    assert rto_s(whole(journal(outage(1, 1)), "text")) == 0.0


def test_a_journey_that_never_came_back_has_none() -> None:
    """No large number stands for never."""
    j = journal([*every(0.25, -10, 1), *every(0.25, 1, 20, "fail")])
    assert rto_s(whole(j, "text")) is None
    assert measure(j).rto_s == {"text": None}


def test_a_return_nobody_watched_for_long_enough_is_no_return() -> None:
    """The load ended one second after the first good operation; two are asked."""
    j = journal([*every(0.25, 1, 19, "fail"), *every(0.25, 19, 20)])
    assert rto_s(whole(j, "text")) is None


def test_a_good_second_between_two_blows_is_no_recovery() -> None:
    """The stretch between them is shorter than hold, so it is one outage."""
    ops = [*every(0.25, 0, 1, "fail"), *every(0.25, 1, 2), *every(0.25, 2, 5, "fail"), *every(0.25, 5, 20)]
    assert len(outages(journal(ops), "text")) == 1
    assert rto_s(whole(journal(ops), "text")) == 5.0


def test_the_last_return_counts_when_users_were_thrown_out_again() -> None:
    """Back at 1 s, gone again from 5 s to 9 s: users were without it until 9 s."""
    ops = [*every(0.25, 0, 1, "fail"), *every(0.25, 1, 5), *every(0.25, 5, 9, "fail"), *every(0.25, 9, 20)]
    assert [(o.start, o.back) for o in outages(journal(ops), "text")] == [(0.0, 1.0), (5.0, 9.0)]
    assert rto_s(whole(journal(ops), "text")) == 9.0


def test_a_hiccup_after_the_return_does_not_undo_it() -> None:
    """One failed operation ten seconds later is counted by availability, not as a second outage."""
    ops = [*every(0.25, 0, 4, "fail"), *every(0.25, 4, 14), op(14.0, "info"), *every(0.25, 14.25, 20)]
    j = journal(ops)
    assert len(outages(j, "text")) == 2
    assert rto_s(whole(j, "text")) == 4.0
    found = whole(j, "text")
    assert found and (found.n, len(found.failed), found.last_failed) == (16, 16, 3.75)


def test_one_percent_of_failures_is_well() -> None:
    """At 100 operations a second one failure in a hundred breaks no stretch, two do."""
    one = [op(k / 100, "fail" if k < 50 or k == 150 else "ok") for k in range(1000)]
    two = [op(k / 100, "fail" if k < 50 or 150 <= k < 156 else "ok") for k in range(1000)]
    assert rto_s(whole(journal(one), "text")) == 0.5
    assert rto_s(whole(journal(two), "text")) == 1.56


def test_three_good_operations_are_asked_of_a_rare_journey() -> None:
    """One operation every three seconds: a single good one fills hold, and proves nothing."""
    ops = [op(0, "fail"), op(3), op(6, "fail"), op(9), op(12), op(15)]
    j = journal([*ops, op(20)])
    assert [(o.start, o.back) for o in outages(j, "text")] == [(0.0, 9.0)]


def test_resolution_is_the_time_between_arrivals() -> None:
    """Four a second; none for a single operation."""
    assert resolution(journal(every(0.25, 0, 10)), "text") == pytest.approx(0.25)
    assert resolution(journal([op(1)]), "text") is None


def test_return_fraction_counts_from_the_first_fault() -> None:
    """Onset at 0.5 s, back at 8.5 s of an incident 100 s long."""
    step = Step("blow", 0.5, "power", {}, ("chat-a",), (Release(10.0, ("chat-a",)),))
    j = journal(outage(1, 8.5), steps=(step,), incident=incident({}), scale=3600.0)
    assert measure(j).return_fraction == {"text": 0.08}
    assert measure(journal(outage(1, 8.5))).return_fraction is None


def test_lost_ghost_and_duplicated_are_told_apart() -> None:
    """Acked and not there, refused and there, there twice; an unknown answer convicts nobody either way."""
    ops = [send(1, "a"), send(2, "b"), send(3, "c", "fail"), send(4, "d", "info"), send(5, "e", "info"), send(6, "f")]
    j = journal([*ops, readback("u1", ["a", "c", "d", "f"]), readback("u1", ["f"])])
    (ledger,) = ledgers(j)
    assert [o.id for _, o in ledger.lost] == ["b"]
    assert [o.id for _, o in ledger.ghost] == ["c"]
    assert [o.id for _, o in ledger.duplicated] == ["f"]
    assert measure(j).delivery == Delivery(3, 1, 1, 1, 0, {"text": Writes(3, 1, 1, 1, 0)})


def test_a_write_that_was_refused_first_and_taken_then_is_no_ghost() -> None:
    """The client tried again under the same id."""
    (ledger,) = ledgers(journal([send(1, "a", "fail"), send(2, "a"), readback("u1", ["a"])]))
    assert not ledger.ghost and not ledger.lost


def test_a_read_back_that_broke_off_neither_convicts_nor_acquits() -> None:
    """What was on the pages before counts as there, the rest as unread."""
    ops = [send(1, "a"), send(2, "b"), send(3, "c", user="u2")]
    (ledger,) = ledgers(journal([*ops, readback("u1", ["a"]), readback("u1", [], "info")]))
    assert not ledger.lost
    assert [o.id for _, o in ledger.unread] == ["b", "c"]


def test_reads_are_not_expected_in_the_read_back() -> None:
    """Only writes have to be found again, though reads carry ids too."""
    (ledger,) = ledgers(journal([op(1.0), send(2, "a"), readback("u1", ["a"])]))
    assert list(ledger.acked) == ["a"]


def test_rpo_reaches_back_to_the_oldest_lost_write() -> None:
    """Acknowledged 0.2 s before the fault, and 0.4 s before the fault was healed: each counts to its own blow."""
    ops = [send(-0.21, "a"), send(9.59, "b"), send(-5, "c"), readback("u1", ["c"])]
    (ledger,) = ledgers(journal(ops))
    assert rpo_s(journal(ops), ledger) == pytest.approx(0.4)
    kept = [send(-0.21, "a"), readback("u1", ["a"])]
    assert measure(journal(kept)).rpo_s == {"text": 0.0}


def test_a_unit_is_back_when_every_step_gave_it_back() -> None:
    """Two steps on one plant: the second still holds unit 1 when the first has let it go."""
    steps = tuple(
        Step(name, 0.0, "power", {}, nodes, (Release(5.0, nodes, 1), Release(6.0, (), 2)))
        for name, nodes in [("one", ("chat-a",)), ("two", ("chat-b",))]
    )
    heals = [
        Event(t, "fault.heal", name, {"nodes": [], "unit": unit})
        for t, name, unit in [(5.0, "one", 1), (5.1, "two", 1), (6.0, "one", 2), (6.1, "two", 2)]
    ]
    j = journal([], heals, steps=steps)
    assert servers_back(j) == [(5.1, 0.5), (6.1, 1.0)]
    assert [share_back(j, t) for t in (1.0, 5.5, 6.1, 9.0)] == [0.0, 0.5, 1.0, None]
    assert share_back(journal([]), 1.0) is None


def test_a_load_that_stalled_is_seen_where_it_sent_nothing() -> None:
    """Arrivals were due all the time, but nothing was sent for five seconds."""
    ops = [replace(o, start=5.1) if 0 <= o.t < 5 else o for o in every(0.25, -10, 20)]
    found = load(journal(ops))
    assert (found.lowest_per_s, found.lowest_at, found.offered_per_s) == (0.0, 0.0, 4.0)


def test_blast_radius_names_what_was_hit_and_who_was_hurt() -> None:
    """Only what a fault was seen to bite."""
    j = journal([*outage(1, 4), *outage(1, 1, "bank")])
    assert measure(j).blast_radius == Radius(("chat-a",), ("chat",), ("a",), ("messaging",), ("text",))


def test_probes_are_measured_by_phase() -> None:
    """The least and the greatest of what was sampled; not a number is no sample."""
    seen = [(-1, 1.0), (5, 9.0), (6, 3.0), (7, float("nan"))]
    samples = [Event(t, "probe.sample", "age", {"age": v}) for t, v in seen]
    j = journal([], [*BLOW, *samples, *END])
    assert measure(j).probes == {"age": Sampled(before=Range(1.0, 1.0, 1), during=Range(3.0, 9.0, 2))}


def test_an_empty_journal_measures_nothing_and_says_so_in_json() -> None:
    """No division by zero, and every measure is JSON."""
    found = measure(Journal(journal([]).plan, (), ()))
    assert found.availability == {} and found.delivery is None and found.load.n == 0
    json.dumps(msgspec.to_builtins(found), allow_nan=False)


RESULTS = st.lists(st.sampled_from(["ok", "ok", "ok", "fail", "info"]), max_size=80)


@given(RESULTS, st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(results: list[str], dice: object) -> None:
    """The load writes a line when an operation ends, so lines are not in the order of their starts."""
    ops = [op(k * 0.25, r) for k, r in enumerate(results)]
    shuffled = list(ops)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert measure(journal(ops)) == measure(journal(shuffled))


@given(RESULTS)
def test_outages_hold_every_failure_that_is_not_the_allowed_percent(results: list[str]) -> None:
    """Outages are in order, do not overlap, begin with a failure, and a journey without failures has none."""
    j = journal([op(k * 0.25, r) for k, r in enumerate(results)])
    found = outages(j, "text")
    assert bool(found) == any(r != "ok" for r in results)
    edges = [t for o in found for t in (o.start, o.last_failed, o.seen if o.back is None else o.back)]
    assert edges == sorted(edges)
    # At four operations a second two seconds hold eight: one percent of them is none at all.
    assert sum(len(o.failed) for o in found) == sum(r != "ok" for r in results)
