"""The load that was offered: operations a second over the whole run, and in its lowest window."""

from __future__ import annotations

import math

from chaos.record.findings import Load
from chaos.record.journal import Journal

WINDOW = 5.0  # seconds over which the load must keep its floor: in shorter windows random arrivals dominate


def load(journal: Journal) -> Load:
    """Operations a second that were sent: over the whole run, and in the lowest full window of five seconds.

    Operations count when they were sent, not when they were due, up to the end of the plan. A load that stalled or died
    is therefore visible. Of users who wait for answers, the lowest window is one before the first fault: later it shows
    the system, and not the load.
    """
    starts = [op.start for _, op in journal.operations() if op.start >= -journal.plan.steady]
    begin, end = -journal.plan.steady, journal.plan.length + journal.plan.recover
    if any(journal.of("run.stopped")):  # then the load ended early
        end = min([end, *(e.t for _, e in journal.of("load.stop"))])
    struck = journal.disturbed
    until = struck.start if journal.plan.load.locust and struck.end > struck.start else end
    width = round(min(WINDOW, until - begin), 2)
    n, floor = len(starts), journal.plan.load.floor
    if not starts or width <= 0:
        return Load(n, floor, width, lowest_at=round(begin, 3))
    counts = [0] * math.floor((until - begin) / width + 1e-9)
    for t in starts:
        if 0 <= (k := math.floor((t - begin) / width)) < len(counts):
            counts[k] += 1
    lowest = min(range(len(counts)), key=counts.__getitem__)
    offered, least = round(n / (end - begin), 2), round(counts[lowest] / width, 2)
    return Load(n, floor, width, offered, least, round(begin + lowest * width, 3))
