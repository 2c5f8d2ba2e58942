"""Names of a stack as text in generated files, whatever characters they have."""

from __future__ import annotations

import json
import re
import textwrap

from chaos import safe


def word(name: str) -> str:
    """As a value in YAML, in quotes where it needs them."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) else json.dumps(name)


def comment(said: str) -> list[str]:
    """As lines that each begin with `# `."""
    lines = textwrap.wrap(safe.line(said), 108, break_on_hyphens=False, break_long_words=False)
    return [f"# {line}" for line in lines]
