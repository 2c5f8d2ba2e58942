"""What people reported, beside what was true: reports are a model of people, the service level is measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import lru_cache
from typing import Any

from chaos.journal import Journal
from chaos.measures.phases import studied
from chaos.measures.sessions import LOGGED_IN, LOGGED_OUT, thrown_out
from chaos.model import Op
from chaos.models.reports import Report, Visit, peak, reports

BINS = 12  # of the time from the onset on, in which reports and service level stand side by side
STATUS = "status"  # the journey of those who read a status page; they have no trouble of their own to report
REFRESH = "refresh"  # the operation, of any journey, that shows an app's user what is new
DEGRADED = "status page says degraded"  # noted by a users' file


def symptom(op: Op) -> str:
    """What a failed visit looked like to the person: a key of chaos.models.reports.FITS; empty where it went well."""
    if op.ok:
        return ""
    if op.client == "web":
        return "login" if thrown_out(op) or LOGGED_IN in op.error or LOGGED_OUT in op.error else "page"
    # An app that cannot refresh shows what it has, whatever kept it from refreshing.
    return "stale" if op.op == REFRESH else "error"


def filed(journal: Journal) -> tuple[Report, ...]:
    """What people reported by the end of the load; nothing where the plan has no people."""
    people = journal.plan.people
    if people is None:
        return ()
    end = journal.plan.length + journal.plan.recover
    return tuple(r for r in _filed(_Same(journal)) if r.t < end)


def outcry(journal: Journal) -> dict[str, Any]:
    """Per region how many reports, their shares and when they peaked; and, bin by bin, reports beside success."""
    people, onset = journal.plan.people, journal.plan.onset
    if people is None:
        return {}
    found = filed(journal)
    end = journal.plan.length + journal.plan.recover
    width = (end - onset) / BINS
    rows = []
    for k in range(BINS):
        begin = onset + k * width
        seen = [op.ok for _, op, _ in studied(journal) if op.journey != STATUS and begin <= op.t < begin + width]
        count = sum(begin <= r.t < begin + width for r in found)
        rows.append([round(begin, 3), count, round(sum(seen) / len(seen), 4) if seen else None])
    return {
        "people": people.count,
        "regions": {name: _region(journal, [r for r in found if r.region == name]) for name in sorted(people.regions)},
        "beside": rows,  # seconds, reports, share of operations that succeeded
    }


def shares(found: list[Report]) -> dict[str, float]:
    counts = Counter(r.category for r in found)
    return {line: round(n / len(found), 4) for line, n in sorted(counts.items(), key=lambda x: (-x[1], x[0]))}


def peaked(journal: Journal, found: list[Report] | tuple[Report, ...]) -> float | None:
    """When reports came densest, over as long as people take between two visits; run seconds."""
    assert journal.plan.people is not None
    return peak([r.t for r in found], journal.plan.people.visit_every)


def _region(journal: Journal, found: list[Report]) -> dict[str, Any]:
    at = peaked(journal, found)
    return {"n": len(found), "shares": shares(found), "peak_at_s": None if at is None else round(at, 3)}


class _Same:
    """A journal as the key of a cache: one journal is asked for its reports by several measures."""

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
    for _, op, _ in studied(journal):
        if op.journey != STATUS and op.client in ("web", "app"):
            visits[op.client][op.user].append(Visit(op.t, symptom(op)))
    users = {
        client: [sorted(crowd[name], key=lambda v: v.t) for name in sorted(crowd)] for client, crowd in visits.items()
    }
    assert journal.plan.people is not None
    return reports(journal.plan.people, journal.plan.seed, users, -journal.plan.steady)
