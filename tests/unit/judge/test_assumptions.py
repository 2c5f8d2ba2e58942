"""The assumptions: a run that does not meet them shows nothing, whatever its checks say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from chaos.experiment.plan import LoadSpec
from chaos.judge.assumptions.effective import Effective
from chaos.judge.assumptions.floor import Floor
from chaos.judge.assumptions.machine import Machine
from chaos.judge.assumptions.steady import Steady
from chaos.model import Event, Verdict
from chaos.probes.machine import Machine as Counted
from tests.messages import Says
from tests.unit.histories import BLOW, END, act, every, journal, op, outage

PASS, INCONCLUSIVE = Verdict.PASS, Verdict.INCONCLUSIVE


def test_floor_holds_while_users_come() -> None:
    """Four a second, one is asked."""
    assert Floor().check(journal(outage(1, 4))).verdict is PASS


def test_floor_is_broken_by_one_empty_stretch(says: Says) -> None:
    """The average is above the floor, five seconds of it are not."""
    ops = [o for o in every(0.1, -10, 20) if not 0 <= o.t < 5]
    found = Floor().check(journal(ops, load=LoadSpec("u.py", 2, 10.0, 5.0, 1)))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)


def test_floor_is_broken_by_a_load_that_died_early() -> None:
    """Its last operation was at 5 s of 20."""
    assert Floor().check(journal(every(0.25, -10, 5))).verdict is INCONCLUSIVE


def test_floor_of_no_load_at_all_is_broken_even_at_zero() -> None:
    """Nobody came."""
    assert Floor().check(journal([], load=LoadSpec("u.py", 2, 4.0, 0.0, 1))).verdict is INCONCLUSIVE


def test_steady_holds_when_every_journey_was_well(says: Says) -> None:
    """Two journeys before the fault, a third only after it: said, not judged."""
    found = Steady().check(journal([*outage(1, 4), *outage(1, 1, "bank"), op(5.0, journey="mail")]))
    assert found.verdict is PASS
    says(found.summary)


def test_steady_is_broken_by_one_journey(says: Says) -> None:
    """The others' operations do not outvote it."""
    found = Steady().check(journal([*outage(1, 1), op(-5, "fail", "mail"), op(-4, journey="mail")]))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)
    assert found.evidence == ("ops:121",)


def test_an_unsteady_journey_says_its_commonest_error(says: Says) -> None:
    """A mistake in a users' file fails every operation in the same way."""
    errors = ((-5, "timed out"), (-4, "TypeError: x"), (-3, "TypeError: x"))
    failed = [msgspec.structs.replace(op(t, "info", "mail"), error=e) for t, e in errors]
    found = Steady().check(journal([*outage(1, 1), *failed]))
    assert "TypeError: x" in found.summary and "timed out" not in found.summary
    says(found.summary)


def test_steady_says_nothing_without_operations() -> None:
    """The load came too late."""
    assert Steady().check(journal([op(5.0)])).verdict is INCONCLUSIVE


def test_effective_holds_when_each_fault_was_seen_on_each_node() -> None:
    """One step on one node."""
    assert Effective().check(journal([])).verdict is PASS


def test_effective_is_broken_by_a_fault_nobody_saw(says: Says) -> None:
    """It was injected, and the target showed no sign of it."""
    events = [BLOW[0], Event(0.1, "fault.error", "blow", {"error": "no sign"}), *END]
    found = Effective().check(journal([], events))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)
    assert found.evidence == ("journal:2",)


def test_effective_is_broken_by_a_fault_that_was_gone_before_its_end(says: Says) -> None:
    """It was seen when it began; what users met afterwards was another experiment."""
    gone = Event(9.9, "fault.gone", "blow", {"nodes": ["chat-a"], "error": "memory shows no sign of it any more"})
    found = Effective().check(journal([], [*BLOW[:2], gone, BLOW[2], *END]))
    assert (found.verdict, found.evidence) == (INCONCLUSIVE, ("journal:3",))
    says(found.summary)


def test_effective_is_broken_by_zones_that_came_close(says: Says) -> None:
    """The helper that kept them apart died: the network was not the plan's."""
    lost = Event(20.0, "network.lost", "distance", {"error": "process shows no sign of it any more"})
    found = Effective().check(journal([], [*BLOW, lost, *END]))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)


def test_effective_holds_for_a_fault_that_was_there_to_its_end_or_hidden() -> None:
    """Neither is a complaint."""
    still = Event(9.9, "fault.still", "blow", {"nodes": ["chat-a"]})
    hidden = Event(9.9, "fault.hidden", "blow", {"nodes": ["chat-a"], "behind": ["other"]})
    assert all(Effective().check(journal([], [*BLOW[:2], e, BLOW[2], *END])).verdict is PASS for e in (still, hidden))


def test_effective_is_broken_by_an_act_that_was_not_done(says: Says) -> None:
    """What people did by hand is part of the plan, and part of what the run shows."""
    acts = (act("first", 2.0), act("second", 3.0))
    failed = Event(2.1, "operator.done", "first", {"codes": {"chat-b": 1}, "output": {"chat-b": "no"}})
    found = Effective().check(journal([], [*BLOW, failed, *END], acts=acts))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)


def test_effective_is_broken_by_an_act_of_which_nobody_knows_what_it_came_to() -> None:
    """Done, says the record, and not with which exit code: on none of its nodes, or not on this one."""
    answers: list[dict[str, Any]] = [{}, {"codes": {}}, {"codes": {"chat-z": 0}}]
    for codes in answers:
        found = Effective().check(
            journal([], [*BLOW, Event(2.1, "operator.done", "first", codes), *END], acts=(act("first", 2.0),))
        )
        assert found.verdict is INCONCLUSIVE and "first" in found.summary


def test_a_sample_of_the_machine_that_is_no_number_is_none() -> None:
    """Nobody counted in that second; the others are judged."""
    odd = [Event(9.0 + n, "probe.sample", "machine", {"stolen": what}) for n, what in enumerate((None, "x", [1]))]
    assert Machine().check(journal([], [*BLOW, *stolen(*[0.0] * 6), *odd, *END])).verdict is PASS


def test_effective_has_nothing_to_say_about_a_plan_without_faults() -> None:
    """A control run is a run."""
    assert Effective().check(journal([], END, steps=())).verdict is PASS


def stolen(*shares: float) -> list[Event]:
    return [Event(float(t), "probe.sample", "machine", {"stolen": share}) for t, share in enumerate(shares)]


def test_a_machine_that_lends_a_little_is_borne(says: Says) -> None:
    """A tenth of five seconds."""
    found = Machine().check(journal([], [*BLOW, *stolen(0.0, 0.3, 0.1, 0.0, 0.1, 0.0), *END]))
    assert found.verdict is PASS
    says(found.summary)


def test_a_machine_that_was_taken_away_for_five_seconds_shows_nothing(says: Says) -> None:
    """Whatever it was before and after; the evidence is those samples."""
    events = [*BLOW, *stolen(*[0.0] * 10, 0.3, 0.3, 0.2, 0.1, 0.1, *[0.0] * 10), *END]
    found = Machine().check(journal([], events))
    assert found.verdict is INCONCLUSIVE
    says(found.summary)
    assert len(found.evidence) == 5


def test_the_share_stolen_is_of_the_time_since_the_last_sample(tmp_path: Path) -> None:
    """A hundred ticks, of which twenty went to others."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  1000 0 0 1000 0 0 0 500 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    probe = Counted(None, stat=stat)
    stat.write_text("cpu  1050 0 0 1030 0 0 0 520 7 0\n")
    assert asyncio.run(probe.sample()) == {"stolen": 0.2}
    assert asyncio.run(probe.sample()) == {"stolen": 0.0}
