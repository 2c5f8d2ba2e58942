"""Generated Markdown in lines of at most 120 columns."""

from __future__ import annotations

import textwrap


def wrapped(text: str) -> str:
    """Markdown whose prose ends before column 120; tables, headings and code stay as they are."""
    lines, code = [], False
    for line in text.split("\n"):
        code ^= line.startswith("```")
        prose = not code and len(line) > 120 and line[:1] not in "|#"
        lines += textwrap.wrap(line, 120, break_long_words=False, break_on_hyphens=False) if prose else [line]
    return "\n".join(lines)
