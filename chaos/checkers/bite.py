"""Assumption: what was planned was done. Each fault was seen on each of its nodes, each act carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chaos.evidence import cite
from chaos.journal import Journal
from chaos.model import Finding, Verdict
from chaos.protocols import Checker


@final
@dataclass(frozen=True)
class Bite(Checker):
    def check(self, journal: Journal) -> Finding:
        plan = journal.plan
        active = {(e.subject, name) for _, e in journal.of("fault.active") for name in e.data.get("nodes", ())}
        missing = {s.id: [n for n in s.nodes if (s.id, n) not in active] for s in plan.steps}
        words = [f"{step} was never seen on {', '.join(nodes)}" for step, nodes in missing.items() if nodes]
        done = {e.subject: (n, e) for n, e in journal.of("operator.done")}
        failed = {k: n for k, (n, e) in done.items() if any(e.data.get("codes", {}).values())}
        words += [f"{a.id} was never carried out" for a in plan.acts if a.id not in done]
        words += [f"{k} failed" for k in failed]
        if words:
            errors = [n for n, e in journal.of("fault.error") if missing.get(e.subject)]
            return Finding("bite", Verdict.INCONCLUSIVE, "; ".join(words), cite(journal=[*errors, *failed.values()]))
        hit = sum(len(s.nodes) for s in plan.steps)
        acts = f"; operators' acts done: {len(plan.acts)} of {len(plan.acts)}" if plan.acts else ""
        if not plan.steps:
            return Finding("bite", Verdict.PASS, f"no fault was planned{acts}")
        steps = len(plan.steps)
        return Finding("bite", Verdict.PASS, f"faults seen: {steps} of {steps}, on {hit} of {hit} nodes{acts}")
