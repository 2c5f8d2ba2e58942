"""When the boot units of a plant were back."""

from __future__ import annotations

import math

from chaos.record.journal import Journal


def servers_back(journal: Journal) -> list[tuple[float, float]]:
    """(seconds, share of the plant's boot units that are back), a point for each increase. Empty without a plant.

    A unit is back when every step that took it down has been healed on it.
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
    """The share of boot units that were back at `t`; None without a plant, or if the journal ends before `t`."""
    planned = any(r.unit for s in journal.plan.steps for r in s.releases)
    if not planned or t > max([e.t for e in journal.events], default=-math.inf):
        return None
    return max((share for at, share in servers_back(journal) if at <= t), default=0.0)
