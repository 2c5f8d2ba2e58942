"""Assumption: the machine was there. Processors that a hypervisor gives to others look like a slow system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.evidence import cite
from chaos.journal import Journal, Line
from chaos.model import Finding, Verdict
from chaos.protocols import Checker

SUBJECT = "machine"  # whose samples: chaos/probes/machine.py
MOST = 0.1  # share of the processors' time that others may get
WINDOW = 5  # samples, one a second, over which that is judged


@final
@dataclass(frozen=True)
class Machine(Checker):
    def check(self, journal: Journal) -> Finding:
        seen = stolen(journal)
        if not seen:
            return Finding("machine", Verdict.PASS, "nobody counted what others got of the processors")
        width = min(WINDOW, len(seen))
        windows = [seen[i : i + width] for i in range(len(seen) - width + 1)]
        worst = max(windows, key=lambda w: sum(x[2] for x in w))
        share = sum(x[2] for x in worst) / width
        when = f"({width} s from {worst[0][1]:.0f} s on)"
        summary = f"others got at most {share:.0%} of the processors {when}, {MOST:.0%} are borne"
        if share <= MOST:
            return Finding("machine", Verdict.PASS, summary)
        summary += "; time-outs may be the hypervisor's doing, see on a quieter machine"
        return Finding("machine", Verdict.INCONCLUSIVE, summary, cite(journal=[x[0] for x in worst]))


def stolen(journal: Journal) -> list[tuple[Line, float, float]]:
    """(line, seconds, share of the processors' time that others got), in order; empty where nobody counted."""
    found = [(n, e) for n, e in journal.of("probe.sample") if e.subject == SUBJECT and "stolen" in e.data]
    return [(n, e.t, float(e.data["stolen"])) for n, e in found]
