"""State that a process of the harness passes to its successor: one line of JSON in one environment variable.

A command passes it to itself when it restarts inside the box, and its watchdog passes it to the command that clears up
after it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from chaos import jsonfile

VARIABLE = "CHAOS_HANDOVER"


class Handover(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Descriptors are inherited under the same numbers."""

    lock: int | None = None  # descriptor of the stack's lock
    clearing: bool = False  # the receiver clears up after a holder that is gone
    standing: bool = False  # the stack in the box was left running by `chaos up`
    metrics: int | None = None  # descriptor of the socket on which the host reads metrics
    annotations: int | None = None  # descriptor of the pipe to the process that writes annotations into Grafana

    @property
    def descriptors(self) -> Sequence[int]:
        return [n for n in (self.lock, self.metrics, self.annotations) if n is not None]

    @property
    def environment(self) -> Mapping[str, str]:
        return {VARIABLE: msgspec.json.encode(self).decode()}


def received() -> Handover:
    """The state that this process received; an empty one if there is none, or if it cannot be read."""
    try:
        return jsonfile.decode(os.fsencode(os.environ.get(VARIABLE, "{}")), Handover, VARIABLE)
    except jsonfile.Unreadable:
        return Handover()
