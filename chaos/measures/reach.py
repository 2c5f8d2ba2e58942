"""How far the faults reached: what was hit, when the site was back, what the load and the probes saw."""

from __future__ import annotations

import math
from typing import Any

from chaos.journal import Journal
from chaos.measures.phases import PHASES

WINDOW = 5.0  # seconds over which the offered load must keep its floor: shorter ones measure the dice of the arrivals


def blast_radius(journal: Journal) -> dict[str, list[str]]:
    """Nodes that a fault was seen to bite, with their components, zones and owners."""
    hit = {name for w in journal.windows for name in w.nodes}
    nodes = [n for n in journal.plan.nodes if n["name"] in hit]
    kinds = {"nodes": "name", "components": "component", "zones": "zone", "owners": "owner"}
    return {kind: sorted({n[key] for n in nodes if n.get(key)}) for kind, key in kinds.items()}


def servers_back(journal: Journal) -> list[tuple[float, float]]:
    """(seconds, share of the plant's boot units that are back): one point each time it grows. Empty without a plant.

    A unit is back once every step that took it has given it back.
    """
    owed = {(s.id, r.unit) for s in journal.plan.steps for r in s.releases if r.unit}
    units = {unit for _, unit in owed}
    points: list[tuple[float, float]] = []
    for _, e in journal.of("fault.heal"):
        if (key := (e.subject, int(e.data.get("unit", 0)))) in owed:
            owed.remove(key)
            back = len(units) - len({unit for _, unit in owed})
            if back and (not points or back / len(units) > points[-1][1]):
                points.append((e.t, back / len(units)))
    return points


def share_back(journal: Journal, t: float) -> float | None:
    """Share of the boot units that were back at `t`; None without a plant, or when the journal ends before `t`."""
    planned = any(r.unit for s in journal.plan.steps for r in s.releases)
    if not planned or t > max([e.t for e in journal.events], default=-math.inf):
        return None
    return max((share for at, share in servers_back(journal) if at <= t), default=0.0)


def load(journal: Journal) -> dict[str, Any]:
    """Operations a second that were really sent: on the whole, and in the lowest full window of five seconds.

    Counted where an operation was sent, not where it was meant to be, up to the end of the plan: a load that stalled
    or died is seen.
    """
    starts = [op.start for _, op in journal.operations() if op.start >= -journal.plan.steady]
    begin, end = -journal.plan.steady, journal.plan.length + journal.plan.recover
    if any(journal.of("run.stopped")):  # then it was asked for only as long
        end = min([end, *(e.t for _, e in journal.of("load.stop"))])
    width = min(WINDOW, end - begin)
    measured: dict[str, Any] = {"n": len(starts), "floor_per_s": journal.plan.load.floor, "window_s": width}
    if not starts or width <= 0:
        return measured | {"offered_per_s": 0.0, "lowest_per_s": 0.0, "lowest_at": round(begin, 3)}
    counts = [0] * math.floor((end - begin) / width + 1e-9)
    for t in starts:
        if 0 <= (k := math.floor((t - begin) / width)) < len(counts):
            counts[k] += 1
    lowest = min(range(len(counts)), key=counts.__getitem__)
    return measured | {
        "offered_per_s": round(len(starts) / (end - begin), 2),
        "lowest_per_s": round(counts[lowest] / width, 2),
        "lowest_at": round(begin + lowest * width, 3),
    }


def probes(journal: Journal) -> dict[str, Any]:
    """Per probe and phase the least and the greatest value seen, and how many there were."""
    seen: dict[str, dict[str, list[float]]] = {}
    for _, e in journal.of("probe.sample"):
        values = [float(v) for v in e.data.values() if isinstance(v, int | float) and math.isfinite(v)]
        seen.setdefault(e.subject, {}).setdefault(journal.phase(e.t), []).extend(values)
    return {
        name: {p: {"least": min(v), "greatest": max(v), "n": len(v)} for p in PHASES if (v := phases.get(p))}
        for name, phases in sorted(seen.items())
    }
