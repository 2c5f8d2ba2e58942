"""A locustfile's users wait for answers: what that hides is said, and silence proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.experiment.plan import LoadSpec, Locust
from chaos.judge.assumptions.closed_loop import ClosedLoop
from chaos.judge.assumptions.event_loop import EventLoop
from chaos.judge.assumptions.floor import Floor
from chaos.judge.judge import judge
from chaos.judge.measures.closed_loop import closed_loop
from chaos.model import Event, Op, Verdict
from chaos.record.journal import Journal
from tests.messages import Says
from tests.unit.histories import BLOW, END, check, every, journal

PASS, INCONCLUSIVE = Verdict.PASS, Verdict.INCONCLUSIVE


def locust(ops: list[Op], *events: Event, users: int = 20, floor: float = 0.0, **more: Any) -> Journal:
    spec = LoadSpec("", users, 0.0, floor, 1, locust=Locust("../locustfile.py", 20.0))
    return journal(ops, (*BLOW, *events, *END), load=spec, **more)


STEADILY = every(0.1, -10, 20)  # ten operations a second


def test_the_report_says_how_long_a_stall_is_seen(says: Says) -> None:
    """Twenty users make ten a second: two seconds of a stall stop them all; a hundred show ten seconds of it."""
    made = locust(STEADILY)
    seen = closed_loop(made)
    assert (seen.users, seen.rate, seen.stops_after, seen.needed) == (20, 10.0, 2.0, 100)
    found = ClosedLoop().check(made)
    assert found.verdict is PASS
    says(found.summary)


def test_enough_users_hide_nothing(says: Says) -> None:
    """As many as would be stuck in a stall as long as the faults."""
    found = ClosedLoop().check(locust(STEADILY, users=100))
    assert found.verdict is PASS
    says(found.summary)


def test_a_silence_of_seconds_is_no_pass(says: Says) -> None:
    """All users waited from 2 s to 7 s, and every operation was ok in the end."""
    ops = [op for op in STEADILY if not 2 <= op.t < 7]
    made = locust(ops, checks=(check("availability", at_least=0.9),))
    found = ClosedLoop().check(made)
    assert found.verdict is INCONCLUSIVE and len(found.evidence) == 2
    says(found.summary)
    assert judge(made).verdict is INCONCLUSIVE


@pytest.mark.parametrize("step", [1.0, 2.5])
def test_users_who_think_are_not_silent(step: float) -> None:
    """Few operations a second have gaps of their own."""
    assert ClosedLoop().check(locust(every(step, -10, 20), users=2)).verdict is PASS


@pytest.mark.parametrize(
    "event",
    [
        Event(-10.0, "load.died", "load", {"what": "Buyer: ValueError: no database"}),
        Event(4.0, "load.unfinished", "load", {"what": "Buyer: pay", "seconds": 16.0}),
    ],
    ids=lambda e: str(e.kind),
)
def test_users_who_are_gone_or_wait_are_no_pass(event: Event, says: Says) -> None:
    """Operations that they never made cannot fail."""
    found = ClosedLoop().check(locust(STEADILY, event))
    assert found.verdict is INCONCLUSIVE and found.evidence
    says(found.summary)


def test_a_load_without_any_operation_is_said(says: Says) -> None:
    """And the floor is broken by it."""
    made = locust([])
    says(ClosedLoop().check(made).summary)
    assert Floor().check(made).verdict is INCONCLUSIVE


def test_open_loads_are_not_asked() -> None:
    """Their arrivals do not wait."""
    assert not ClosedLoop().applies(journal(STEADILY))


def test_the_floor_of_a_closed_loop_is_that_before_the_fault() -> None:
    """Users who are stuck during it make fewer operations, which is the system's doing."""
    fewer = [op for op in STEADILY if not 1 <= op.t < 9]
    assert Floor().check(locust(fewer, floor=8.0)).verdict is PASS
    assert Floor().check(locust([op for op in STEADILY if not -7 <= op.t < -2], floor=8.0)).verdict is INCONCLUSIVE


def blocked(t: float, seconds: float | None, *where: str) -> Event:
    data: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
    return Event(t, "load.blocked", "load", data | ({"where": list(where)} if where else {}))


def test_a_blocked_loop_is_no_pass_and_is_named(says: Says) -> None:
    """Of any load: nothing failed, because nothing was tried."""
    made = journal(
        STEADILY,
        (*BLOW, blocked(3.0, 5.0, "app/locustfile.py:31 buy", "psycopg2/__init__.py:122 connect"), *END),
        checks=(check("availability", at_least=0.9),),
    )
    found = EventLoop().check(made)
    assert found.verdict is INCONCLUSIVE and found.evidence == ("journal:4",)
    says(found.summary)
    assert judge(made).verdict is INCONCLUSIVE


def test_a_loop_that_never_went_on_stood_still_to_the_end(says: Says) -> None:
    """Its process was killed before it could say how long it was."""
    found = EventLoop().check(journal(STEADILY, (*BLOW, blocked(15.0, None), *END)))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)


@pytest.mark.parametrize(("times", "verdict"), [(1, PASS), (3, PASS), (6, INCONCLUSIVE)])
def test_hiccups_are_borne_until_they_are_many(times: int, verdict: Verdict, says: Says) -> None:
    """Half a second each, of thirty."""
    found = EventLoop().check(journal(STEADILY, (*BLOW, *(blocked(float(n), 0.4) for n in range(times)), *END)))
    assert found.verdict is verdict
    says(found.summary)


def test_a_failure_while_the_loop_stood_still_is_not_the_systems(says: Says) -> None:
    """Time-outs may be the load's own; a run is repeated, not failed."""
    ops = [*every(0.1, -10, 0), *every(0.1, 0, 20, "info")]
    made = journal(ops, (*BLOW, blocked(3.0, 5.0), *END), checks=(check("availability", at_least=0.9),))
    (found,) = [f for f in judge(made).findings if f.check == "availability"]
    assert found.verdict is INCONCLUSIVE
    says(found.summary)
