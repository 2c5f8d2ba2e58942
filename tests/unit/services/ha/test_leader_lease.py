"""The rules of a voter, one by one."""

from __future__ import annotations

import msgspec

from services.ha.leader_lease import HOLD_S, TTL_S, Claim, Pledge, Record, Seat

FIRST = Record(1, 0, "a", ("a",))


def seat(record: Record = FIRST, age: float = 0.0) -> Seat:
    """A voter that heard `record` from its holder `age` seconds before time 0."""
    voter = Seat(Record(), -age)
    assert voter.renew(record, -age).granted
    return voter


def claim(epoch: int, holder: str, **more: bool) -> Claim:
    return Claim(Record(epoch, 0, holder, (holder,)), **more)


def test_a_held_lease_is_refused_and_says_how_long() -> None:
    """Nobody gets in before the voter's own time is up."""
    answer = seat(Record(1, 0, "a")).claim(claim(2, "b"), 0.3)
    assert (answer.why, round(answer.remaining_s, 6)) == ("held", round(TTL_S - 0.3, 6))


def test_a_lease_that_has_run_out_goes_to_who_is_in_sync() -> None:
    """In-sync is what decides once the time is up."""
    both = msgspec.structs.replace(FIRST, in_sync=("a", "b"))
    assert seat(both).claim(claim(2, "b"), TTL_S).granted
    assert seat(FIRST).claim(claim(2, "b"), TTL_S).why == "not in sync"


def test_an_operator_overrules_the_list_but_not_the_time() -> None:
    """A forced claim may lack writes; it may not make a second primary."""
    assert seat().claim(claim(2, "b", forced=True), 0.1).why == "held"
    assert seat().claim(claim(2, "b", forced=True), TTL_S).granted


def test_without_a_list_any_standby_may() -> None:
    """An asynchronous pair keeps no count of who has what."""
    assert seat(Record(1, 0, "a", None)).claim(claim(2, "b"), TTL_S).granted


def test_an_epoch_is_granted_once() -> None:
    """A repeated or delayed claim changes nothing."""
    voter = seat(Record(1, 0, "a", None))
    assert voter.claim(claim(2, "b"), TTL_S).granted
    assert voter.claim(claim(2, "a"), 10.0).why == "epoch"


def test_its_holder_need_not_wait_for_itself() -> None:
    """A restarted primary is back at once."""
    assert seat().claim(claim(2, "a"), 0.0).granted


def test_a_node_without_data_never_inherits() -> None:
    """An empty disk may found a lease and nothing else."""
    assert seat().claim(claim(2, "a", fresh=True), 9.0).why == "no data"
    assert Seat(Record(), 0.0).claim(claim(1, "a", fresh=True), 9.0).granted


def test_a_voter_that_has_just_started_lets_nobody_in() -> None:
    """It may have granted something a moment before it died."""
    assert Seat(Record(), 0.0).claim(claim(1, "a"), 0.1).why == "too early"
    assert Seat(FIRST, 0.0).claim(claim(2, "b"), 0.1).why == "too early"


def test_a_delayed_message_does_not_bring_an_older_list_back() -> None:
    """Who was struck off stays so."""
    voter = seat(Record(1, 1, "a", ("a", "b")))
    assert voter.renew(Record(1, 2, "a", ("a",)), 0.1).granted
    assert voter.renew(Record(1, 1, "a", ("a", "b")), 0.2).why == "overtaken"
    assert voter.record.in_sync == ("a",)


def test_a_renewal_of_an_older_epoch_is_superseded() -> None:
    """A former holder learns that it is one."""
    assert seat(Record(3, 0, "b")).renew(FIRST, 0.0).why == "superseded"


def test_a_renewal_of_a_later_epoch_tells_a_voter_of_an_election_it_missed() -> None:
    """Only who has won a majority renews."""
    voter = seat()
    assert voter.renew(Record(4, 0, "b", ("b",)), 0.0).granted
    assert voter.record.holder == "b"


def test_a_weighed_claim_changes_nothing() -> None:
    """Asking is free."""
    voter = seat(Record(1, 0, "a", None))
    assert voter.weigh(claim(2, "b"), 9.0).granted
    assert voter.record == Record(1, 0, "a", None)


def test_a_released_lease_is_free_at_once_but_only_by_its_holder() -> None:
    """A planned stop costs no waiting."""
    voter = seat(Record(2, 0, "a", None))
    assert voter.release(FIRST, 0.1).why == "superseded"
    assert voter.release(Record(2, 0, "a", None), 0.1).granted
    assert voter.claim(claim(3, "b"), 0.1).granted


def test_a_holder_stops_before_a_voter_lets_others_in() -> None:
    """The gap between two holders is what fencing may take."""
    assert 0 < HOLD_S < TTL_S - 0.1


def test_a_standby_that_stands_for_election_pledges_nothing() -> None:
    """Either a promise or a candidacy, never both."""
    pledge = Pledge(0.0)
    assert pledge.give(1.0)
    assert pledge.until == 1.0 + TTL_S
    pledge.withheld = True
    assert not pledge.give(2.0)
    assert pledge.until == 1.0 + TTL_S
