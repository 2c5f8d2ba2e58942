"""Names of earlier releases in Python still work, and their warnings name the new ones."""

from __future__ import annotations

from typing import Any

import pytest

from chaos import errors, testing


@pytest.mark.parametrize(
    ("module", "former", "now"),
    [
        (errors, "NoBite", errors.NoEffect),
        (testing, "Fault", testing.InjectedFault),
        (testing, "Node", testing.StackNode),
    ],
)
def test_a_former_name_is_todays_class_with_a_warning(module: Any, former: str, now: type) -> None:
    """The warning names the class that it is now."""
    with pytest.warns(DeprecationWarning, match=now.__name__):
        found = getattr(module, former)
    assert found is now


@pytest.mark.parametrize("module", [errors, testing])
def test_any_other_name_is_still_unknown(module: Any) -> None:
    """As in any module."""
    with pytest.raises(AttributeError, match="nonsense"):
        module.nonsense  # noqa: B018
    assert not hasattr(module, "nonsense")
