"""How often users got the promised answer, and how long they waited for it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from chaos.journal import Journal
from chaos.measures.phases import PHASES, studied
from chaos.model import Op

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def rate(ops: Sequence[Op]) -> float | None:
    """ok / (ok + fail + info), exact; None without operations."""
    return sum(op.ok for op in ops) / len(ops) if ops else None


def quantile_ms(ops: Sequence[Op], q: float) -> float | None:
    """Milliseconds from the intended start that a share `q` of all operations did not exceed (nearest rank).

    An operation without the promised answer took for ever. Leaving it out would make a system the quicker the more of
    its users it turns away, and counting a refusal's two milliseconds would be worse. So None says: the user
    at this quantile got no answer (or there was no operation).
    """
    if not ops:
        return None
    waits = sorted(op.latency if op.ok else math.inf for op in ops)
    wait = waits[max(0, math.ceil(q * len(waits)) - 1)]
    return None if math.isinf(wait) else wait * 1000


def availability(journal: Journal) -> dict[str, dict[str, Any]]:
    """Per journey the success rate before, during and after, the counts behind it, and the same by client."""
    return {
        journey: _rates(phases) | {"by_client": {c: _rates(p) for c, p in sorted(clients.items())}}
        for journey, (phases, clients) in _grouped(journal).items()
    }


def latency_ms(journal: Journal) -> dict[str, dict[str, dict[str, float | None]]]:
    """Per journey and phase p50, p95 and p99 in milliseconds; phases without operations are left out."""
    return {
        journey: {
            p: {name: _round(quantile_ms(phases[p], q), 1) for name, q in QUANTILES.items()}
            for p in PHASES
            if phases[p]
        }
        for journey, (phases, _) in _grouped(journal).items()
    }


Phases = dict[str, list[Op]]


def _grouped(journal: Journal) -> dict[str, tuple[Phases, dict[str, Phases]]]:
    found: dict[str, tuple[Phases, dict[str, Phases]]] = {}
    for _, op, p in studied(journal):
        phases, clients = found.setdefault(op.journey, (defaultdict(list), defaultdict(lambda: defaultdict(list))))
        phases[p].append(op)
        clients[op.client][p].append(op)
    return dict(sorted(found.items()))


def _rates(phases: Phases) -> dict[str, Any]:
    rates: dict[str, Any] = {p: _round(rate(phases[p]), 6) for p in PHASES}
    counts = {p: len(phases[p]) for p in PHASES}
    return rates | {"n": sum(counts.values()), "counts": counts}


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
