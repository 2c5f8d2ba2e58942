"""Assumption: the plan was carried out. Each fault was confirmed on its nodes, until its end; each act was carried out.

Older journals do not record whether a fault was still in force at its end. Such a fault counts as in force, because
only a fault that was found to be gone breaks this assumption.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.model import Finding, Verdict
from chaos.protocols import Assumption
from chaos.record.evidence import cite
from chaos.record.journal import Journal, Line


@final
@dataclass(frozen=True)
class Effective(Assumption):
    place: ClassVar = 3
    least: ClassVar = 1
    fewer: ClassVar = "it checks each fault on each node"

    def check(self, journal: Journal) -> Finding:
        plan = journal.plan
        if plan.no_faults:
            said = [n for n, _ in journal.of("step.skipped")]
            count = f"{len(said)} of {len(plan.steps) + len(plan.acts)} steps were recorded"
            summary = f"nothing was broken (--no-faults); {count}"
            return Finding("effective", Verdict.INCONCLUSIVE, summary, cite(journal=said))
        active = {(e.subject, name) for _, e in journal.of("fault.active") for name in e.data.get("nodes", ())}
        missing = {s.id: [n for n in s.nodes if (s.id, n) not in active] for s in plan.steps}
        words = [
            f"the effect of {step} was not confirmed on {', '.join(nodes)}" for step, nodes in missing.items() if nodes
        ]
        gone = dict(_gone(journal))
        words += gone.values()
        done = {e.subject: (n, e) for n, e in journal.of("operator.done")}
        failed = {k: n for k, (n, e) in done.items() if any(e.data.get("codes", {}).values())}
        words += [f"{a.id} was not carried out" for a in plan.acts if a.id not in done]
        for act in plan.acts:
            codes = done[act.id][1].data.get("codes", {}) if act.id in done else {}
            if act.id in done and (silent := [name for name in act.nodes if name not in codes]):
                words.append(f"the outcome of {act.id} on {', '.join(silent)} is unknown")
        words += [f"{k} failed" for k in failed]
        if words:
            errors = [n for n, e in journal.of("fault.error") if missing.get(e.subject)]
            lines = sorted({*errors, *failed.values(), *gone})
            return Finding("effective", Verdict.INCONCLUSIVE, "; ".join(words), cite(journal=lines))
        hit = sum(len(s.nodes) for s in plan.steps)
        acts = f"; operators' acts done: {len(plan.acts)} of {len(plan.acts)}" if plan.acts else ""
        if not plan.steps:
            return Finding("effective", Verdict.PASS, f"no fault was planned{acts}")
        steps = len(plan.steps)
        summary = f"faults confirmed: {steps} of {steps}, on {hit} of {hit} nodes{acts}"
        return Finding("effective", Verdict.PASS, summary)


def _gone(journal: Journal) -> Iterator[tuple[Line, str]]:
    """Faults that were confirmed, and that were no longer in force at their end."""
    for n, e in journal.of("fault.gone"):
        where = ", ".join(e.data.get("nodes", ()))
        yield n, f"{e.subject} was no longer in force on {where} at its end: {e.data.get('error')}"
    for n, e in journal.of("network.lost"):
        yield n, f"the distance between zones did not last: {e.data.get('error')}"
