"""The base class of report formats; chaos/report/formats has one format a file."""

from __future__ import annotations

from typing import ClassVar, Protocol

from chaos.judge.judgement import Judgement
from chaos.record.journal import Journal


class Report(Protocol):
    """A file in the run's folder. It has no parameters; the same journal gives the same bytes."""

    file: ClassVar[str]  # its name
    kind: ClassVar[str]  # its media type, for `chaos serve`
    place: ClassVar[int] = 100  # position in the order of writing, the lowest first

    def render(self, journal: Journal, judgement: Judgement) -> str: ...
