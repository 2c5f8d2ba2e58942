"""Assumption: the machine had its processors. Processor time that a hypervisor gives to others looks like a slow
system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from chaos.model import Finding, Verdict
from chaos.protocols import Assumption, Checker
from chaos.record.evidence import cite
from chaos.record.journal import Journal, Line

SUBJECT = "machine"  # subject of the samples of chaos/probes/machine.py
MOST = 0.1  # limit: share of the processors' time given to other virtual machines
WINDOW = 5  # samples, one a second, in each window that is judged


@final
@dataclass(frozen=True)
class Machine(Assumption):
    place: ClassVar = 4
    alone: ClassVar = False  # CPU steal alone cannot make a broken run hold
    excuse: ClassVar = "the machine was starved (see machine), so the cause is unknown"
    least: ClassVar = WINDOW
    fewer: ClassVar = "it judges windows of this many seconds; with fewer samples it holds"

    def check(self, journal: Journal) -> Finding:
        seen = stolen(journal)
        if len(seen) < self.least:
            return Finding("machine", Verdict.PASS, "CPU steal was not measured")
        windows = [seen[i : i + WINDOW] for i in range(len(seen) - WINDOW + 1)]
        worst = max(windows, key=lambda w: sum(x[2] for x in w))
        share = sum(x[2] for x in worst) / WINDOW
        when = f"({WINDOW} s from {worst[0][1]:.0f} s on)"
        summary = f"CPU steal peaked at {share:.0%} {when} (limit {MOST:.0%})"
        if share <= MOST:
            return Finding("machine", Verdict.PASS, summary)
        summary += "; time-outs may be due to the hypervisor; run it again on a quieter machine"
        return Finding("machine", Verdict.INCONCLUSIVE, summary, cite(journal=[x[0] for x in worst]))

    def applies(self, journal: Journal) -> bool:
        """CPU steal is judged only where it was measured."""
        return bool(stolen(journal))

    def excuses(self, checker: Checker) -> bool:
        return not checker.convicts_starved


def stolen(journal: Journal) -> list[tuple[Line, float, float]]:
    """(line, seconds, share of CPU steal) of each sample, in order; empty if it was not measured."""
    found = [(n, e.t, e.data.get("stolen")) for n, e in journal.of("probe.sample") if e.subject == SUBJECT]
    return [(n, t, float(share)) for n, t, share in found if isinstance(share, int | float)]
