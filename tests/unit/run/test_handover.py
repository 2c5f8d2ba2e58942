"""What one process of ours gives to the next: all of it arrives, and what makes no sense is nothing."""

from __future__ import annotations

import pytest

from chaos.run.handover import VARIABLE, Handover, received


@pytest.mark.parametrize(
    "given", [Handover(), Handover(lock=7), Handover(lock=0, clearing=True, standing=True, metrics=8, annotations=9)]
)
def test_what_was_given_is_received(given: Handover, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one variable of the environment."""
    assert list(given.environment) == [VARIABLE]
    monkeypatch.setenv(VARIABLE, given.environment[VARIABLE])
    assert received() == given


def test_who_is_given_nothing_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a person starts."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert received() == Handover()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lock": "7"}', '{"lock": 7, "else": 1}', "\udcff"])
def test_what_makes_no_sense_is_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not half of it either: a descriptor of another meaning would be closed."""
    monkeypatch.setenv(VARIABLE, text)
    assert received() == Handover()


def test_every_descriptor_is_to_be_inherited() -> None:
    """Those that there are, with their numbers."""
    assert Handover(lock=5, metrics=8).descriptors == [5, 8]
    assert Handover(clearing=True, standing=True).descriptors == []
