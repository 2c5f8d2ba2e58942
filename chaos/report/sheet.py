"""Text for a terminal or a pipe: laid out by rich, with control characters made visible."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from chaos import safe


class SafeConsole(Console):
    """Draws the harness's colours; control characters in texts are written out."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for found in super().render(renderable, options):
            yield found if found.control else Segment(safe.text(found.text), found.style)


class Sheet(SafeConsole):
    """Collects what is printed to it: at most `width` columns, with colours for a terminal or without for a pipe."""

    def __init__(self, width: int, color: bool) -> None:
        self._gathered = io.StringIO()
        into: IO[str] = self._gathered
        plain: dict[str, Any] = dict.fromkeys(("highlight", "markup", "emoji", "legacy_windows"), False)
        system = "standard" if color else None
        super().__init__(file=into, width=width, color_system=system, force_terminal=color, _environ={}, **plain)  # type: ignore[arg-type]

    def written(self) -> str:
        """The text without trailing spaces."""
        lines = self._gathered.getvalue().removesuffix("\n").split("\n")
        return safe.Painted("\n".join(line.rstrip() for line in lines) + "\n")
