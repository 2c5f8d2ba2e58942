"""Reads the names of journeys from the names of a dossier's targets: this package knows no journeys of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

WHAT_IF = r"(?:counterfactual_)?"
AHEAD = r"(\w+)_slows_before_public"  # the journey of users who get another build than the public
TOLD = r"(\w+)_page_recall"  # the journey of users who read the status page
LOADED = r"[^_]+_(\w+)_success"  # the journey that one kind of client loads, such as web_page_success


def journeys(dossier: Mapping[str, Any], pattern: str) -> tuple[str, ...]:
    """Return the journey of each target whose whole name matches the pattern, without duplicates."""
    found = (re.fullmatch(pattern, name) for name in dossier.get("targets", {}))
    return tuple(dict.fromkeys(m[1] for m in found if m))


def journey(pattern: str, name: str) -> str:
    """Return the journey of a target, or of a counterfactual of it. The pattern must match the name."""
    m = re.fullmatch(WHAT_IF + pattern, name)
    assert m, f"{name} is measured by another"
    return m[1]
