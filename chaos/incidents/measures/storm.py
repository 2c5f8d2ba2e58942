"""Measures of a log-out storm: working pages, kept sessions, old content, people's reports, and the status page."""

from __future__ import annotations

from statistics import median

from chaos.incidents import carried, named
from chaos.incidents.carried import dossier
from chaos.incidents.formula import computed
from chaos.incidents.measures.outage_reports import DEGRADED, filed, peaked, shares, told
from chaos.incidents.measures.row import Measured, Measures, Seen, Target, band
from chaos.incidents.named import LOADED, TOLD, WHAT_IF, journeys
from chaos.judge.measures.phases import studied
from chaos.judge.measures.sessions import kept, thrown_out
from chaos.judge.measures.staleness import age, shown
from chaos.model import Op
from chaos.record.evidence import cite
from chaos.record.journal import Journal

ENOUGH = 100  # minimum pages or reports; a share of fewer means nothing
NOBODY = "there is no model of people in this plan (people:)"
UNSAID = "the dossier does not say whose outage is meant (journey:)"


def _pages(seen: Seen, name: str, target: Target) -> Measured:
    """Measure the share of pages that worked while the whole release was out.

    Pages that failed are left out unless the user was logged out.
    """
    journal, settings = seen.journal, seen.journal.plan.settings
    journey = str(target.get("journey") or named.journey(LOADED, name))
    loaded = [(n, op) for n, op, _ in studied(journal, journey) if _out(journal, op)]
    judged = [(n, op) for n, op in loaded if op.ok or thrown_out(op)]
    if len(judged) < ENOUGH:
        return None, None, f"{len(judged)} pages while the release was out; {ENOUGH} are needed", ()
    values = {k: float(settings[setting]) for k, setting in target["where"].items()}
    wanted = computed(target["formula"], values)
    measured = sum(op.ok for _, op in judged) / len(judged)
    said = ", ".join(f"{k} = {v:g}" for k, v in values.items())
    note = f"{said}: {wanted:.3f}; {len(judged):,} pages, {len(loaded) - len(judged):,} left out"
    holds = abs(measured - wanted) <= float(target["tolerance"])
    return round(measured, 4), holds, note, cite(ops=[n for n, op in judged if not op.ok])


def _page(journal: Journal, target: Target) -> str:
    """Return the target's journey, else the first journey whose pages the dossier counts; empty if there is none."""
    return str(target.get("journey") or next(iter(journeys(dossier(journal.plan), LOADED)), ""))


def _out(journal: Journal, op: Op) -> bool:
    """Return whether every step of the release was active at the operation's start and end.

    An operation that met half a release shows neither the old state nor the new one.
    """
    steps = {w.label for w in journal.windows}
    met = {w.label for w in journal.windows if op.start in w and op.end in w}
    return bool(steps) and met == steps


def _kept(seen: Seen, name: str, target: Target) -> Measured:
    """Measure the share of a client's users who kept their session."""
    client = name.partition("_")[0]
    before, out = kept(seen.journal, client)
    if not before:
        return None, None, f"no {client} user was logged in before the first fault", ()
    share = 1 - len(out) / len(before)
    note = f"{len(before) - len(out)} of {len(before)} users"
    return round(share, 4), share >= float(target["at_least"]), note, cite(ops=out.values())


def _stale(seen: Seen, name: str, target: Target) -> Measured:
    """Measure the least age of content after a failed refresh, in incident hours. The note says how fast it aged."""
    journal, hour = seen.journal, 3600 / seen.journal.plan.scale
    before = [age(op) for _, op, p in shown(journal) if p == "before"]
    old = [(n, op) for n, op, _ in shown(journal) if not op.ok and _out(journal, op)]
    if not before or not old:
        return None, None, "no refresh before the fault, or none that showed old content while the release was out", ()
    jump = min(age(op) for _, op in old) / hour
    aged = _slope([(op.end, age(op)) for _, op in old])
    note = f"{median(before) / hour:.2f} h before; {len(old)} refreshes showed it, and it aged {aged:.2f} s a second"
    return round(jump, 2), jump >= float(target["at_least"]), note, cite(ops=[n for n, _ in old])


def _slope(points: list[tuple[float, float]]) -> float:
    """Return the slope of the regression line through the points; nan if all of them have one x."""
    n = len(points)
    x, y = sum(a for a, _ in points) / n, sum(b for _, b in points) / n
    spread = sum((a - x) ** 2 for a, _ in points)
    return sum((a - x) * (b - y) for a, b in points) / spread if spread else float("nan")


def _shares(seen: Seen, name: str, target: Target) -> Measured:
    """Measure the share of each line of the form among one region's reports."""
    region = name.removeprefix("shares_")
    people = carried.people(seen.journal.plan)
    if people is None or region not in people.regions:
        return None, None, NOBODY if people is None else f"no region {region!r} under people.regions", ()
    found = [r for r in filed(seen.journal) if r.region == region]
    if len(found) < ENOUGH:
        return None, None, f"{len(found)} reports from {region}; {ENOUGH} are needed", ()
    measured, fact = shares(found), target["value"]
    off = max(abs(measured.get(line, 0.0) - float(share)) for line, share in fact.items())
    note = f"{len(found):,} reports, off by {off:.3f} at most; {_service_level(seen.journal)}"
    return {line: measured.get(line, 0.0) for line in fact}, off <= float(target["tolerance"]), note, ()


def _peak(seen: Seen, name: str, target: Target) -> Measured:
    """Measure when reports peaked, as a fraction of the time from the onset to the journey's return."""
    journal, onset = seen.journal, seen.journal.plan.onset
    journey = _page(journal, target)
    outage = seen.outages.get(journey)
    if carried.people(journal.plan) is None:
        return None, None, NOBODY, ()
    if outage is None:
        return None, None, f"{journey}: it did not fail, or nobody used it" if journey else UNSAID, ()
    found = filed(journal)
    if outage.back is None or len(found) < ENOUGH:
        return None, None, f"{journey} not back before the load ended, or fewer than {ENOUGH} reports", ()
    at = peaked(journal, found)
    assert at is not None, "there are reports"
    share = (at - onset) / (outage.back - onset)
    low, high = band(target)
    return round(share, 4), low <= share <= high, f"{len(found):,} reports; {_service_level(journal)}", ()


def _service_level(journal: Journal) -> str:
    """Return the measured success rate during the faults in words, to compare with what people reported."""
    aside = told(journal.plan)
    ok = [op.ok for _, op, p in studied(journal) if p == "during" and op.journey not in aside]
    return f"{sum(ok) / len(ok):.0%} of operations went well meanwhile" if ok else "nobody came meanwhile"


def _recall(seen: Seen, name: str, target: Target) -> Measured:
    """Measure whether the status page showed the outage to any reader while it lasted: 1 or 0."""
    journal, journey, read_at = seen.journal, _page(seen.journal, target), named.journey(TOLD, name)
    outage = seen.outages.get(journey)
    if outage is None:
        words = f"{journey}: there was no outage to own up to, or nobody used it"
        return None, None, words if journey else UNSAID, ()
    until = outage.seen if outage.back is None else outage.back
    read = [(n, op) for n, op in journal.operations(read_at) if op.ok and outage.start <= op.t < until]
    if not read:
        return None, None, f"nobody read the {read_at} page during the outage", ()
    owned = [n for n, op in read if f"{read_at} {DEGRADED}" in op.error]
    recall = 1 if owned else 0
    note = f"{len(owned)} of {len(read)} who read it were told"
    return recall, recall == target["value"], note, cite(ops=owned or [n for n, _ in read])


MEASURES: Measures = (
    (WHAT_IF + LOADED, _pages),
    (r"\w+_session_kept", _kept),
    (r"staleness_jump_hours", _stale),
    (r"shares_\w+", _shares),
    (r"onset_to_peak_fraction_of_duration", _peak),
    (WHAT_IF + TOLD, _recall),
)
