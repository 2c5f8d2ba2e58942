"""The interface between the harness and the prober: the files they exchange, and what was heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chaos.experiment.plan import ProbeSpec

ASKED = "prober.json"  # written by the harness with mode 0600, because headers may hold secrets: a list of ProbeSpec
HEARD = "prober.jsonl"  # created by the prober when it is ready; one Heard a line


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer, or none."""

    probe: str
    t: float  # when it was asked, in seconds of CLOCK_MONOTONIC (the event loop's clock)
    ms: float = 0.0  # until the answer, or until the prober gave up
    ok: bool | None = None  # None: it could not be asked, and `why` says why
    figures: Mapping[str, float] = {}
    why: str = ""

    def data(self) -> dict[str, Any]:
        """The data of its probe.sample."""
        found: dict[str, Any] = {**self.figures, "ok": int(bool(self.ok)), "ms": self.ms}
        return found | {"why": self.why} if self.why else found


asked = msgspec.json.Decoder(list[ProbeSpec]).decode
heard = msgspec.json.Decoder(Heard).decode
