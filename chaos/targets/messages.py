"""Responses of the harness's helper programs: one JSON object for each line or packet."""

from __future__ import annotations

import json
from typing import Any

from chaos.errors import TargetError

AGAIN = "end the stack with `chaos down` and start it again"


def decoded(answer: bytes, who: str) -> dict[str, Any]:
    """The decoded response. Raises TargetError, naming `who`, if it is not a JSON object."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TargetError(f"{who} answered {answer[:80]!r}, expected a JSON object; {AGAIN}")
    return found
