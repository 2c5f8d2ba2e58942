"""The network helper without a kernel: attributes as netlink has them, and requests that are refused in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.helper import nft
from chaos.helper.__main__ import Session
from chaos.helper.netlink import NftError, attribute, nested, number, parse, text


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


def test_a_broken_answer_ends_the_reading() -> None:
    """An attribute that claims to be shorter than its header would be read for ever."""
    with pytest.raises(NftError, match="shorter than its own header"):
        list(parse(b"\0\0\1\0"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "Expecting"),
        ("[]", "indices"),
        ('{"rules": []}', "do"),
        ('{"do": "heal"}', "expected apply, clear, listing or ping; found 'heal'"),
        ('{"do": "apply", "shapes": []}', "rules"),
        ('{"do": "apply", "rules": [{"do": "queue"}]}', "a queue comes with its shape"),
        (
            '{"do": "apply", "rules": [], "shapes": [{"a": ["10.77.1.2"], "delay": 5}]}',
            "a shape has no delay; it has a",
        ),
        ('{"do": "apply", "rules": [], "shapes": [{"a": ["10.77.1.2"], "loss": 30}]}', "loss is a share from 0 to 1"),
        ('{"do": "apply", "rules": [], "shapes": [{"delay_ms": 20}]}', "somebody on both sides"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered(line: str, words: str) -> None:
    """The helper lives on: one bad line must not take the cuts of a run with it."""
    session = Session("chaos")
    answer = session.answer(line)
    assert answer["ok"] is False and words in answer["error"]
    assert not session.owns and session.queue is None
    json.dumps(answer)


def test_a_rule_that_does_nothing_known_is_refused() -> None:
    """In words, before the kernel hears of it."""
    rule = {"a": ["10.77.1.2"], "b": None, "both": True, "do": "delay"}
    with pytest.raises(ValueError, match="a rule does drop, reset or queue; found 'delay'"):
        nft.apply([rule])  # type: ignore[list-item]
