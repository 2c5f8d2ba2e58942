"""The reference pages are what the code says."""

from __future__ import annotations

import pytest

from chaos import registry
from tests import reference


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_reference_page_is_what_the_code_says(page: str) -> None:
    """Else: `make generate`."""
    assert reference.current(page), f"docs/reference/{page} is stale: make generate"


def test_a_page_that_was_not_renewed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail."""
    monkeypatch.setitem(reference.PAGES, "faults.md", lambda: "# Faults\nother words\n")
    assert not reference.current("faults.md")


def test_the_pages_leave_nobody_out() -> None:
    """Every fault, every check, every part of an experiment's file."""
    pages = {name: page() for name, page in reference.PAGES.items()}
    assert all(f"\n## {name}\n" in pages["faults.md"] for name in registry.names("chaos.faults"))
    checks = {name: registry.load("chaos.judge.checkers", name) for name in registry.names("chaos.judge.checkers")}
    assert all(f"\n### {name}\n" in pages["checks.md"] for name in checks)
    assert all(cls.fails and f"| {cls.fails} |" in pages[reference.GUIDE] for cls in checks.values())
    assert all(f"\n## {name}\n" in pages["schema.md"] for name in ("Experiment", "Entry", "Stop", "Plant"))
    assert "| 75 | halted, in use |" in pages["exit-codes.md"]
