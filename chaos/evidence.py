"""Names of lines: "ops:12" and "journal:7" are what a finding rests on, and how a reader looks them up."""

from __future__ import annotations

from collections.abc import Iterable

from chaos.journal import Journal, Line
from chaos.model import Event, Op

LIMIT = 50  # names a finding carries: enough to look into, few enough to read


def cite(*, ops: Iterable[Line] = (), journal: Iterable[Line] = ()) -> tuple[str, ...]:
    """The first LIMIT names, journal lines first: they are few and say what was done."""
    names = [f"journal:{n}" for n in sorted(journal)] + [f"ops:{n}" for n in sorted(ops)]
    return tuple(names[:LIMIT])


def quote(journal: Journal, name: str) -> Event | Op:
    """The line that `name` names. A name without a line is a bug of the checker that wrote it."""
    file, _, number = name.partition(":")
    lines: tuple[Event, ...] | tuple[Op, ...] = journal.ops if file == "ops" else journal.events
    assert file in ("ops", "journal") and 1 <= int(number) <= len(lines), f"{name}: no such line"
    return lines[int(number) - 1]
