"""Compares the journeys that were lost when people left with the journeys that the roster predicts."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.incidents.carried import dossier, staff
from chaos.incidents.people.sentiment import Night
from chaos.incidents.staff.model import Roster
from chaos.judge.measures.recovery import ENOUGH
from chaos.record.evidence import cite
from chaos.record.journal import Journal

TAIL = 4.0  # seconds before the end of a departure, or before the first repair, in which journeys are measured
GONE = 0.5  # success rate below which a journey is lost; it is not 0, because reads may work while writes fail


@dataclass(frozen=True)
class Departure:
    step: str
    share: float  # of all people who own a component, 0..1
    gone: tuple[str, ...]
    orphans: tuple[str, ...]  # components without an owner that should fail
    components: int  # number of components in the roster
    expected: tuple[str, ...]  # journeys that should be lost, according to the roster
    measured: tuple[str, ...]  # journeys that users lost
    used: tuple[str, ...]  # journeys with at least ENOUGH operations
    evidence: tuple[str, ...]


def roster(journal: Journal) -> Roster:
    """Return the roster as it was when the plan was made; an empty one if nobody leaves."""
    return staff(journal.plan).roster


def departures(journal: Journal, lapse: bool, tail: float = TAIL) -> tuple[Departure, ...]:
    """Return a departure for each step in which people left. `lapse`: only orphans with a chore fail, else all do."""
    people = roster(journal)
    found = []
    for step in journal.plan.steps:
        span = _span(journal, step.id)
        if "leave" not in step.params or span is None:
            continue
        gone = tuple(step.params["leave"])
        orphans, taken = people.orphans(gone), set[str]()
        if lapse:
            kept = staff(journal.plan)
            orphans = tuple(c for c in orphans if c in kept.lapse)
            taken = {j for c in orphans for j in kept.takes.get(c, ())}
        measured, used, evidence = _lost(journal, max(span[0], span[1] - tail), span[1])
        expected = tuple(j for j in sorted({*people.lost(orphans), *taken}) if j in journal.journeys)
        share = len(gone) / len(people.people) if people.people else 0.0
        found.append(Departure(step.id, share, gone, orphans, len(people.owners), expected, measured, used, evidence))
    return tuple(found)


def _span(journal: Journal, step: str) -> tuple[float, float] | None:
    """Return start and end of a departure in run seconds; None if the fault never became active.

    It ends when people are back, or when the first repair begins, or else with the last event.
    """
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
    """Return the night on which people left; None if nobody leaves, or if the dossier has no counts of reports."""
    facts = dossier(journal.plan)
    counted = facts.get("from_the_seeds", {}).get("outage_reports", {})
    hours = facts.get("when", {}).get("window_hours")
    news = [s.at for s in journal.plan.steps if "leave" in s.params]
    if not news or not hours or "before" not in counted or "after" not in counted:
        return None
    window = float(hours) * 3600 / journal.plan.scale
    return Night(min(news), window, int(counted["before"]), int(counted["after"]))
