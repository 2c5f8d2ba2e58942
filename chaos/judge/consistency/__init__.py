"""Finds contradictions in a journal. The harness never writes one, so such a file was torn, edited or put together."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.judge.consistency import faults, operations, schedule, story
from chaos.judge.consistency.flaw import Flaw
from chaos.record.journal import Journal

__all__ = ["Flaw", "flaws"]


def flaws(journal: Journal) -> Iterator[Flaw]:
    """All contradictions, each with its file and line.

    Makes one pass over the operations, and sorts them once by time.
    """
    yield from _damage(journal)
    yield from story.flaws(journal)
    yield from faults.flaws(journal)
    yield from operations.flaws(journal)
    yield from schedule.flaws(journal)


def _damage(journal: Journal) -> Iterator[Flaw]:
    """Lines that cannot be read. A torn last line is normal after a kill, but not in a run that ended normally."""
    for d in journal.damage:
        if not d.torn or story.ended(journal):
            yield Flaw(d.file, d.line, f"cannot be read: {d.why}")
