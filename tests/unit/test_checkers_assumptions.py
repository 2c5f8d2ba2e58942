"""The assumptions: a run that does not meet them shows nothing, whatever its checks say."""

from __future__ import annotations

from chaos.checkers.bite import Bite
from chaos.checkers.floor import Floor
from chaos.checkers.steady import Steady
from chaos.model import Event, Verdict
from chaos.plan import LoadSpec
from tests.unit.histories import BLOW, END, act, every, journal, op, outage

PASS, INCONCLUSIVE = Verdict.PASS, Verdict.INCONCLUSIVE


def test_floor_holds_while_users_come() -> None:
    """Four a second, one is asked."""
    assert Floor().check(journal(outage(1, 4))).verdict is PASS


def test_floor_is_broken_by_one_empty_stretch() -> None:
    """The average is above the floor, five seconds of it are not."""
    ops = [o for o in every(0.1, -10, 20) if not 0 <= o.t < 5]
    found = Floor().check(journal(ops, load=LoadSpec("u.py", 2, 10.0, 5.0, 1)))
    assert found.verdict is INCONCLUSIVE
    assert found.summary == "8.33/s offered, 0/s in the lowest 5 s (from 0 s on), floor 5/s"


def test_floor_is_broken_by_a_load_that_died_early() -> None:
    """Its last operation was at 5 s of 20."""
    assert Floor().check(journal(every(0.25, -10, 5))).verdict is INCONCLUSIVE


def test_floor_of_no_load_at_all_is_broken_even_at_zero() -> None:
    """Nobody came."""
    assert Floor().check(journal([], load=LoadSpec("u.py", 2, 4.0, 0.0, 1))).verdict is INCONCLUSIVE


def test_steady_holds_when_every_journey_was_well() -> None:
    """Two journeys before the fault, a third only after it: said, not judged."""
    found = Steady().check(journal([*outage(1, 4), *outage(1, 1, "bank"), op(5.0, journey="mail")]))
    assert found.verdict is PASS
    assert found.summary == "2 journeys well in 80 operations before the first fault; not used before: mail"


def test_steady_is_broken_by_one_journey() -> None:
    """The others' operations do not outvote it."""
    found = Steady().check(journal([*outage(1, 1), op(-5, "fail", "mail"), op(-4, journey="mail")]))
    assert (found.verdict, found.summary) == (INCONCLUSIVE, "not well before: mail 1 of 2 ok")
    assert found.evidence == ("ops:121",)


def test_steady_says_nothing_without_operations() -> None:
    """The load came too late."""
    assert Steady().check(journal([op(5.0)])).verdict is INCONCLUSIVE


def test_bite_holds_when_each_fault_was_seen_on_each_node() -> None:
    """One step on one node."""
    assert Bite().check(journal([])).verdict is PASS


def test_bite_is_broken_by_a_fault_nobody_saw() -> None:
    """It was injected, and the target showed no sign of it."""
    events = [BLOW[0], Event(0.1, "fault.error", "blow", {"error": "no sign"}), *END]
    found = Bite().check(journal([], events))
    assert (found.verdict, found.summary) == (INCONCLUSIVE, "blow was never seen on chat-a")
    assert found.evidence == ("journal:2",)


def test_bite_is_broken_by_an_act_that_was_not_done() -> None:
    """What people did by hand is part of the plan, and part of what the run shows."""
    acts = (act("first", 2.0), act("second", 3.0))
    failed = Event(2.1, "operator.done", "first", {"codes": {"chat-b": 1}, "output": {"chat-b": "no"}})
    found = Bite().check(journal([], [*BLOW, failed, *END], acts=acts))
    assert (found.verdict, found.summary) == (INCONCLUSIVE, "second was never carried out; first failed")


def test_bite_has_nothing_to_say_about_a_plan_without_faults() -> None:
    """A control run is a run."""
    assert Bite().check(journal([], END, steps=())).verdict is PASS
