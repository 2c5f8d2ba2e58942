"""References to lines of a run's files, "ops:12" or "journal:7": the evidence of a finding."""

from __future__ import annotations

from collections.abc import Iterable

from chaos.model import Event, Finding, Op, Verdict
from chaos.record.journal import Journal, Line

LIMIT = 50  # references that a finding carries: enough to investigate, few enough to read


def cite(*, ops: Iterable[Line] = (), journal: Iterable[Line] = ()) -> tuple[str, ...]:
    """The first LIMIT references. Journal lines come first: they are few and say what was done."""
    names = [f"journal:{n}" for n in sorted(journal)] + [f"ops:{n}" for n in sorted(ops)]
    return tuple(names[:LIMIT])


def too_few(check: str, found: int, least: int, what: str) -> Finding | None:
    """An INCONCLUSIVE finding if there is less data than a check needs; None if there is enough."""
    if found >= least:
        return None
    words = f"{found or 'no'} {what}, expected at least {least}: too few to go by"
    return Finding(check, Verdict.INCONCLUSIVE, words)


def quote(journal: Journal, name: str) -> Event | Op:
    """The line that a reference names. A reference without a line is a bug of the checker that made it."""
    file, _, number = name.partition(":")
    lines: tuple[Event, ...] | tuple[Op, ...] = journal.ops if file == "ops" else journal.events
    assert file in ("ops", "journal") and 1 <= int(number) <= len(lines), f"{name}: no such line"
    return lines[int(number) - 1]
