"""The measures that are a file each, on literal histories."""

from __future__ import annotations

from chaos.judge.added import added
from chaos.judge.figures.effect import Effect
from chaos.model import Event
from tests.unit.histories import BLOW, END, journal


def test_a_faults_effect_is_timed_until_its_last_node_shows_it() -> None:
    """From the inject; a node that never showed it leaves nobody a time."""
    early = Event(0.4, "fault.active", "blow", {"nodes": []})
    late = Event(0.7, "fault.active", "blow", {"nodes": ["chat-a"]})
    assert Effect().measure(journal([], [BLOW[0], early, late, *END])) == {"blow": 0.7}
    assert Effect().measure(journal([], [BLOW[0], early, *END])) == {"blow": None}
    assert Effect().measure(journal([], END)) == {}


def test_a_measure_that_the_run_cannot_give_is_left_out() -> None:
    """No row without a figure."""
    found, broken = added(journal([], [*BLOW, *END]))
    assert found["effect"].figures == {"blow": 0.0} and not broken
    assert added(journal([], END)) == ({}, ())
