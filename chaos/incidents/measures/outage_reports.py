"""Compares outage reports, which come from a model of people, with the measured service level."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import lru_cache

from chaos.experiment.plan import Plan
from chaos.incidents import carried
from chaos.incidents.named import TOLD, journeys
from chaos.incidents.people.reports import Report, Visit, peak, reports
from chaos.judge.measures.phases import studied
from chaos.judge.measures.sessions import LOGGED_IN, LOGGED_OUT, thrown_out
from chaos.model import Op
from chaos.record.findings import Region, Reports
from chaos.record.journal import Journal

BINS = 12  # intervals from the onset to the end of the load, for comparing reports with the service level
REFRESH = "refresh"  # the operation, of any journey, that loads new content for a user of the app
DEGRADED = "page says degraded"  # recorded by a users' file, after the name of the status page


def symptom(op: Op) -> str:
    """Return what a failed visit looked like to the person, as a key of `reports.FITS`; empty if it succeeded."""
    if op.ok:
        return ""
    if op.client == "web":
        return "login" if thrown_out(op) or LOGGED_IN in op.error or LOGGED_OUT in op.error else "page"
    # An app that cannot refresh shows its old content, whatever the reason.
    return "stale" if op.op == REFRESH else "error"


def told(plan: Plan) -> tuple[str, ...]:
    """Return the journeys of users who read the status page. These users have no outage of their own to report."""
    return journeys(carried.dossier(plan), TOLD)


def filed(journal: Journal) -> tuple[Report, ...]:
    """Return the reports that people filed by the end of the load; none if the plan has no people."""
    people = carried.people(journal.plan)
    if people is None:
        return ()
    end = journal.plan.length + journal.plan.recover
    return tuple(r for r in _filed(_Same(journal)) if r.t < end)


def outage_reports(journal: Journal) -> Reports | None:
    """Return count, shares and peak of reports by region, and reports with success by bin; None without people."""
    people, onset = carried.people(journal.plan), journal.plan.onset
    if people is None:
        return None
    found = filed(journal)
    end = journal.plan.length + journal.plan.recover
    width = (end - onset) / BINS
    rows, aside = [], told(journal.plan)
    for k in range(BINS):
        begin = onset + k * width
        seen = [op.ok for _, op, _ in studied(journal) if op.journey not in aside and begin <= op.t < begin + width]
        count = sum(begin <= r.t < begin + width for r in found)
        rows.append((round(begin, 3), count, round(sum(seen) / len(seen), 4) if seen else None))
    regions = {name: _region(journal, [r for r in found if r.region == name]) for name in sorted(people.regions)}
    return Reports(people.count, regions, tuple(rows))


def shares(found: list[Report]) -> dict[str, float]:
    counts = Counter(r.category for r in found)
    return {line: round(n / len(found), 4) for line, n in sorted(counts.items(), key=lambda x: (-x[1], x[0]))}


def peaked(journal: Journal, found: list[Report] | tuple[Report, ...]) -> float | None:
    """Return when reports peaked in run seconds, smoothed over the time between two visits; None without reports."""
    people = carried.people(journal.plan)
    assert people is not None
    return peak([r.t for r in found], people.visit_every)


def _region(journal: Journal, found: list[Report]) -> Region:
    at = peaked(journal, found)
    return Region(len(found), shares(found), None if at is None else round(at, 3))


class _Same:
    """A journal as the key of a cache, compared by identity. Several measures need the reports of one journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.journal is self.journal

    def __hash__(self) -> int:
        return id(self.journal)


@lru_cache(maxsize=2)
def _filed(same: _Same) -> tuple[Report, ...]:
    journal = same.journal
    visits: dict[str, dict[str, list[Visit]]] = defaultdict(lambda: defaultdict(list))
    aside = told(journal.plan)
    for _, op, _ in studied(journal):
        if op.journey not in aside and op.client in ("web", "app"):
            visits[op.client][op.user].append(Visit(op.t, symptom(op)))
    users = {
        client: [sorted(crowd[name], key=lambda v: v.t) for name in sorted(crowd)] for client, crowd in visits.items()
    }
    people = carried.people(journal.plan)
    assert people is not None
    return reports(people, journal.plan.seed, users, -journal.plan.steady)
