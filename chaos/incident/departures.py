"""Steps in which people left: which journeys should be lost with what they orphaned, and which were."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.recovery import ENOUGH
from chaos.models.sentiment import Night
from chaos.models.staff import Roster

TAIL = 4.0  # seconds before the end of a departure, or before the first repair, in which journeys are looked at
GONE = 0.5  # success below which a journey counts as lost: half of it may live on, as reads do when writes fail


@dataclass(frozen=True)
class Departure:
    step: str
    share: float  # of all people
    gone: tuple[str, ...]
    orphans: tuple[str, ...]  # of them, those that should drop
    components: int  # in the roster
    expected: tuple[str, ...]  # journeys that need an orphan, by the roster alone
    measured: tuple[str, ...]  # journeys that users had lost
    used: tuple[str, ...]  # journeys of which enough operations were seen
    evidence: tuple[str, ...]


def roster(journal: Journal) -> Roster:
    """As it was when the plan was made; an empty one where nobody leaves."""
    s = journal.plan.staff
    return Roster(s.get("owners", {}), {}, s.get("needs", {}), s.get("journeys", {}))


def departures(journal: Journal, lapse: bool, tail: float = TAIL) -> tuple[Departure, ...]:
    """One a step in which people were seen to leave. `lapse`: only orphans with a chore drop, else all of them."""
    people = roster(journal)
    found = []
    for step in journal.plan.steps:
        span = _span(journal, step.id)
        if "leave" not in step.params or span is None:
            continue
        gone = tuple(step.params["leave"])
        orphans, taken = people.orphans(gone), set[str]()
        if lapse:
            orphans = tuple(c for c in orphans if c in journal.plan.staff.get("lapse", ()))
            taken = {j for c in orphans for j in journal.plan.staff.get("takes", {}).get(c, ())}
        measured, used, evidence = _lost(journal, max(span[0], span[1] - tail), span[1])
        expected = tuple(j for j in sorted({*people.lost(orphans), *taken}) if j in journal.journeys)
        share = len(gone) / len(people.people) if people.people else 0.0
        found.append(
            Departure(step.id, share, gone, orphans, len(people.owners), expected, measured, used, evidence)
        )
    return tuple(found)


def _span(journal: Journal, step: str) -> tuple[float, float] | None:
    """From when people were seen to be gone until they were back, or somebody began to repair; None: never gone."""
    began = [e.t for _, e in journal.of("fault.active") if e.subject == step]
    if not began:
        return None
    ends = [e.t for _, e in journal.of("step.heal") if e.subject == step]
    repairs = [e.t for _, e in journal.of("operator.start") if e.t > began[0]]
    last = max((e.t for e in journal.events), default=began[0])
    return began[0], min([*ends, *repairs], default=last)


def _lost(journal: Journal, start: float, end: float) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    lost, used, bad = [], [], []
    for journey in journal.journeys:
        ops = [(n, op) for n, op in journal.operations(journey) if start <= op.t < end]
        if len(ops) >= ENOUGH:
            used.append(journey)
            if sum(op.ok for _, op in ops) < GONE * len(ops):
                lost.append(journey)
                bad += [n for n, op in ops if not op.ok][:2]
    return tuple(lost), tuple(used), cite(ops=bad)


def night(journal: Journal) -> Night | None:
    """The night people left, by the dossier's counts of reports; None where nobody leaves, or it counts none."""
    facts = journal.plan.incident
    counted = facts.get("from_the_seeds", {}).get("outage_reports", {})
    hours = facts.get("when", {}).get("window_hours")
    news = [s.at for s in journal.plan.steps if "leave" in s.params]
    if not news or not hours or "before" not in counted or "after" not in counted:
        return None
    window = float(hours) * 3600 / journal.plan.scale
    return Night(min(news), window, int(counted["before"]), int(counted["after"]))
