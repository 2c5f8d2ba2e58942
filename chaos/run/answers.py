"""Writes what probes with a tolerance hear to the journal."""

from __future__ import annotations

from collections.abc import Callable

from chaos.probes.prober.contract import Heard
from chaos.run.stage import Stage


def told(stage: Stage) -> Callable[[Heard], None]:
    """A function that records each answer at the time when it was asked.

    Of questions in a row that could not be asked for the same reason, only the first is recorded.
    """
    silent: dict[str, str] = {}

    def tell(one: Heard) -> None:
        t = one.t - stage.t0
        if one.ok is not None:
            silent.pop(one.probe, None)
            stage.sink.emit("probe.sample", one.probe, t=t, **one.data())
        elif silent.get(one.probe) != one.why:
            silent[one.probe] = one.why
            stage.sink.emit("probe.error", one.probe, t=t, error=one.why)

    return tell
