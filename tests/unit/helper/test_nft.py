"""The network helper without a kernel: attributes as netlink has them, and requests that are refused in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.helper import nft
from chaos.helper.__main__ import Session
from chaos.helper.netlink import NftError, attribute, nested, number, parse, text
from tests.messages import Says


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=300))))
def test_attributes_are_read_as_they_were_written(values: list[tuple[int, bytes]]) -> None:
    """Whatever their length, which is padded to four bytes on the way."""
    packed = b"".join(attribute(kind, value) for kind, value in values)
    assert len(packed) % 4 == 0
    assert list(parse(packed)) == values


def test_a_nested_attribute_holds_others_and_its_type_is_read_without_the_flag() -> None:
    """nftables marks nesting in the type; numbers are big-endian and texts end in a zero."""
    ((kind, inner),) = parse(nested(4, number(1, 2), text(2, "cuts"), number(3, -3)))
    assert kind == 4
    assert list(parse(inner)) == [(1, b"\0\0\0\2"), (2, b"cuts\0"), (3, b"\xff\xff\xff\xfd")]


def test_a_broken_answer_ends_the_reading(says: Says) -> None:
    """An attribute that claims to be shorter than its header would be read for ever."""
    with says.raises(NftError):
        list(parse(b"\0\0\1\0"))


@pytest.mark.parametrize(
    "line",
    [
        '{"do": "heal"}',
        '{"do": "apply", "rules": [{"do": "queue"}]}',
        '{"do": "apply", "rules": [], "shapes": [{"a": ["10.77.1.2"], "delay": 5}]}',
        '{"do": "apply", "rules": [], "shapes": [{"a": ["10.77.1.2"], "loss": 30}]}',
        '{"do": "apply", "rules": [], "shapes": [{"delay_ms": 20}]}',
    ],
    ids=str,
)
def test_a_request_that_makes_no_sense_is_answered(line: str, says: Says) -> None:
    """The helper lives on: one bad line must not take the cuts of a run with it."""
    session = Session("chaos")
    answer = session.answer(line)
    assert answer["ok"] is False
    says(answer["error"])
    assert not session.owns and session.queue is None
    json.dumps(answer)


@pytest.mark.parametrize("line", ["{", "[]", '{"rules": []}', '{"do": "apply", "shapes": []}'])
def test_a_line_that_is_no_request_is_answered_with_an_error(line: str) -> None:
    """In Python's own words; the harness sends none."""
    session = Session("chaos")
    answer = session.answer(line)
    assert answer["ok"] is False and answer["error"]
    assert not session.owns and session.queue is None


def test_a_rule_that_does_nothing_known_is_refused(says: Says) -> None:
    """In words, before the kernel hears of it."""
    rule = {"a": ["10.77.1.2"], "b": None, "both": True, "do": "delay"}
    with says.raises(ValueError):
        nft.apply([rule])  # type: ignore[list-item]
