"""Makes text from files, nodes and the network safe for terminals, tables and pages.

Invisible characters are written out, as in a string of Python or JSON. All text of other origin passes one of these
functions where it is output, and not earlier: records stay unchanged.
"""

from __future__ import annotations

import re

# Control characters except line feed and tab, line and paragraph separators, marks that change the writing direction,
# and surrogates.
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NO_XML = re.compile("[\ufffe\uffff]")
_LINES = re.compile(r"[\r\n\t]+")
_MARKUP = re.compile(r"[\\`*|]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")  # within a word `_` is one
_BEGINS = re.compile(r"^(\s*)(?=(#{1,6}|[-+]|\d{1,9}[.)]|\[.\])(\s|$)|>|~~~)")


class Painted(str):
    """Lines with the harness's colours; other text in them was made safe before."""

    __slots__ = ()


class Marked(str):
    """The harness's Markdown; other text in it was made safe before."""

    __slots__ = ()


def text(said: str) -> str:
    """For a terminal or a page. Line breaks stay."""
    return _STEERS.sub(_written_out, said.replace("\r\n", "\n"))


def line(said: str) -> str:
    """For a single line: line breaks are written out."""
    return text(_LINES.sub(" ", said))


def markdown(said: str) -> Marked:
    """For a line or cell of Markdown: displayed literally, without tables, tags, links or headings."""
    if isinstance(said, Marked):
        return said
    found = _MARKUP.sub(r"\\\g<0>", line(said)).replace("&", "&amp;").replace("<", "&lt;")
    return Marked(_BEGINS.sub(r"\1\\", found))


def code(said: str, cell: bool = False) -> Marked:
    """As code in Markdown, where only the end of the code is markup, and in a table the end of the cell."""
    found = line(said).replace("`", "'")
    return Marked("`" + (found.replace("|", "\\|") if cell else found) + "`")


def xml(said: str) -> str:
    """For XML 1.0, which cannot contain control characters in any notation."""
    return _NO_XML.sub(_written_out, text(said))


def _written_out(m: re.Match[str]) -> str:
    n = ord(m[0])
    return f"\\x{n:02x}" if n < 0x20 else f"\\u{n:04x}"
