"""Structured logs: one JSON object a line on stdout."""

from __future__ import annotations

import sys
import time

import msgspec

from services.common.settings import SETTINGS

_encode = msgspec.json.Encoder(enc_hook=str).encode


def log(event: str, /, level: str = "info", **data: object) -> None:
    """Write `{"at", "level", "node", "event", ...}`. Never raises: a full disk must not stop a service."""
    line = {"at": round(time.time(), 3), "level": level, "node": SETTINGS.node, "event": event, **data}
    try:
        sys.stdout.buffer.write(_encode(line) + b"\n")
        sys.stdout.buffer.flush()
    except OSError:
        pass
