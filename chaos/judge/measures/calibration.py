"""Measurements of a small run for the model of the whole site. Unscaled: seconds and milliseconds of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from chaos.judge.measures.phases import studied
from chaos.judge.measures.recovery import outage
from chaos.record.journal import Journal


@dataclass(frozen=True)
class Measured:
    value: float
    n: int  # number of samples; the value is their median


def calibration(journal: Journal, operation: str, log_in: str) -> Mapping[str, Measured]:
    """Those of op_ms, login_ms, start_s, promote_s and failover_s that this run shows.

    `operation` and `log_in` are journeys. Failover is the outage of `operation` in a run without operators' acts, which
    the stack must have ended by itself.
    """
    samples = {
        "op_ms": _latencies(journal, operation),
        "login_ms": _latencies(journal, log_in),
        "start_s": _starts(journal),
        "promote_s": _acts(journal),
        "failover_s": _failover(journal, operation),
    }
    return {name: Measured(round(median(found), 4), len(found)) for name, found in samples.items() if found}


def _latencies(journal: Journal, journey: str) -> list[float]:
    """Milliseconds of the successful operations before the first fault."""
    return [1000 * op.latency for _, op, phase in studied(journal, journey) if phase == "before" and op.ok]


def _starts(journal: Journal) -> list[float]:
    """Seconds from the heal that restored a node's power to its first successful health check."""
    healed: dict[str, float] = {}
    found = []
    for e in journal.events:
        if e.kind == "fault.heal" and e.data.get("unit"):
            healed |= dict.fromkeys(e.data.get("nodes", ()), e.t)
        elif e.kind == "node.up" and e.subject in healed:
            found.append(e.t - healed.pop(e.subject))
    return found


def _acts(journal: Journal) -> list[float]:
    begun = {e.subject: e.t for _, e in journal.of("operator.start")}
    return [e.t - begun[e.subject] for _, e in journal.of("operator.done") if e.subject in begun]


def _failover(journal: Journal, journey: str) -> list[float]:
    if journal.plan.acts or not journal.plan.steps:
        return []
    o = outage(journal, journey)
    return [] if o is None or o.back is None else [o.back - o.start]
