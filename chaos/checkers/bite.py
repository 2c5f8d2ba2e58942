"""Assumption: what was planned was done. Each fault was seen on its nodes, and to its end; each act was carried out.

A fault whose end nobody looked at (a journal of a version that did not) counts as one that lasted: only what was seen
to be gone convicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from chaos.evidence import cite
from chaos.journal import Journal, Line
from chaos.model import Finding, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Bite(Checker):
    def check(self, journal: Journal) -> Finding:
        plan = journal.plan
        if plan.leashed:
            said = [n for n, _ in journal.of("step.leashed")]
            count = f"{len(said)} of {len(plan.steps) + len(plan.acts)} steps were written down"
            summary = f"on the leash: nothing was broken; {count}"
            return Finding("bite", Verdict.INCONCLUSIVE, summary, cite(journal=said))
        active = {(e.subject, name) for _, e in journal.of("fault.active") for name in e.data.get("nodes", ())}
        missing = {s.id: [n for n in s.nodes if (s.id, n) not in active] for s in plan.steps}
        words = [f"{step} was never seen on {', '.join(nodes)}" for step, nodes in missing.items() if nodes]
        gone = dict(_gone(journal))
        words += gone.values()
        done = {e.subject: (n, e) for n, e in journal.of("operator.done")}
        failed = {k: n for k, (n, e) in done.items() if any(e.data.get("codes", {}).values())}
        words += [f"{a.id} was never carried out" for a in plan.acts if a.id not in done]
        words += [f"{k} failed" for k in failed]
        if words:
            errors = [n for n, e in journal.of("fault.error") if missing.get(e.subject)]
            lines = sorted({*errors, *failed.values(), *gone})
            return Finding("bite", Verdict.INCONCLUSIVE, "; ".join(words), cite(journal=lines))
        hit = sum(len(s.nodes) for s in plan.steps)
        acts = f"; operators' acts done: {len(plan.acts)} of {len(plan.acts)}" if plan.acts else ""
        if not plan.steps:
            return Finding("bite", Verdict.PASS, f"no fault was planned{acts}")
        steps = len(plan.steps)
        return Finding("bite", Verdict.PASS, f"faults seen: {steps} of {steps}, on {hit} of {hit} nodes{acts}")


def _gone(journal: Journal) -> Iterator[tuple[Line, str]]:
    """What was there, and was not at its end."""
    for n, e in journal.of("fault.gone"):
        where = ", ".join(e.data.get("nodes", ()))
        yield n, f"{e.subject} no longer bit {where} at its end: {e.data.get('error')}"
    for n, e in journal.of("network.lost"):
        yield n, f"the distance between zones did not last: {e.data.get('error')}"
