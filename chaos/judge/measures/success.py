"""Success rates and latencies of operations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from chaos.judge.measures.phases import PHASES, studied
from chaos.model import Op
from chaos.record.findings import Counts, Latency, Quantiles, Rates, Success
from chaos.record.journal import Journal

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def rate(ops: Sequence[Op]) -> float | None:
    """ok / (ok + fail + info), exact; None without operations."""
    return sum(op.ok for op in ops) / len(ops) if ops else None


def quantile_ms(ops: Sequence[Op], q: float) -> float | None:
    """Milliseconds from the intended start that a share `q` of all operations did not exceed (nearest rank).

    An operation that did not succeed counts as infinitely slow. Without it, a system would look faster the more users
    it refuses, and counting a refusal's two milliseconds would be worse. None means that the operation at this quantile
    did not succeed, or that there were no operations.
    """
    if not ops:
        return None
    wait = nearest(sorted(map(wait_ms, ops)), q)
    return None if math.isinf(wait) else wait


def wait_ms(op: Op) -> float:
    """Milliseconds from the intended start to a successful answer; infinite without one."""
    return op.latency * 1000 if op.ok else math.inf


def nearest(ordered: Sequence[float], q: float) -> float:
    """The value at the nearest rank: a share `q` of all values does not exceed it."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def availability(journal: Journal) -> dict[str, Success]:
    """For each journey the success rate before, during and after, with the counts, and the same by client."""
    found = {}
    for journey, (phases, clients) in _grouped(journal).items():
        whole, by_client = _rates(phases), {c: _rates(p) for c, p in sorted(clients.items())}
        found[journey] = Success(whole.before, whole.during, whole.after, whole.n, whole.counts, by_client)
    return found


def latency_ms(journal: Journal) -> dict[str, Latency]:
    """For each journey and phase p50, p95 and p99 in milliseconds. Phases without operations are left out."""
    return {
        journey: Latency(*(_quantiles(phases[p]) if phases[p] else None for p in PHASES))
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


def _rates(phases: Phases) -> Rates:
    before, during, after = (_round(rate(phases[p]), 6) for p in PHASES)
    counts = Counts(*(len(phases[p]) for p in PHASES))
    return Rates(before, during, after, counts.before + counts.since, counts)


def _quantiles(ops: Sequence[Op]) -> Quantiles:
    return Quantiles(*(_round(quantile_ms(ops, q), 1) for q in QUANTILES.values()))


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
