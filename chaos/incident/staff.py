"""What an exodus is measured by: reports that rise while levels stay, a canary that slows first, and more incidents."""

from __future__ import annotations

from chaos.evidence import cite
from chaos.incident.departures import departures, night, roster
from chaos.incident.row import Measured, Measures, Seen, Target, band
from chaos.measures.levels import slowed
from chaos.measures.phases import studied
from chaos.models.sentiment import reports
from chaos.models.staff import incident_rate

CANARY = "canary"  # the journey of those who use the employees' build


def _report_ratio(seen: Seen, name: str, target: Target) -> Measured:
    """Reports in the window after the news over those in the one before, of a model that was set by the fact."""
    found = night(seen.journal)
    if found is None:
        return None, None, "nobody leaves in this run, or the dossier counts no reports", ()
    times = reports(seen.journal.plan.seed, found)
    before = found.counted(times, found.news - found.window, found.news)
    after = found.counted(times, found.news, found.news + found.window)
    ratio = after / before
    words = f"{before} and {after} reports, of a model of people"
    return round(ratio, 3), ratio >= float(target["at_least"]), words, ()


def _success_change(seen: Seen, name: str, target: Target) -> Measured:
    """Success of all operations since people left, less that before."""
    ops = [(n, op, p) for n, op, p in studied(seen.journal) if op.journey != CANARY]
    before = [op.ok for _, op, p in ops if p == "before"]
    since = [op.ok for _, op, p in ops if p != "before"]
    if not before or not since:
        return None, None, "no operations before, or none since", ()
    change = sum(since) / len(since) - sum(before) / len(before)
    low, high = band(target)
    bad = [n for n, op, p in ops if p != "before" and not op.ok]
    words = f"{len(since) - sum(since)} of {len(since)} operations"
    return round(change, 6), low <= change <= high, words, cite(ops=bad)


def _canary(seen: Seen, name: str, target: Target) -> Measured:
    if CANARY not in seen.journal.journeys:
        return None, None, "nobody used the canary", ()
    canary, lines = slowed(seen.journal, lambda j: j == CANARY)
    public, later = slowed(seen.journal, lambda j: j != CANARY)
    if canary is None:
        return False, target["value"] is False, "the canary never slowed", cite(ops=later)
    first = public is None or canary < public
    words = "the public never did" if public is None else f"the public at {public:g} s"
    said = f"the canary slowed at {canary:g} s, {words}"
    return first, first is bool(target["value"]), said, cite(ops=(*lines, *later))


def _incident_rate(seen: Seen, name: str, target: Target) -> Measured:
    """From the roster, the share who left, and what became of the orphans of this run.

    Incidents a month before come from the dossier. Since: as many again, and a lapsed chore for each orphan with one,
    as often as orphans of this run really broke.
    """
    journal = seen.journal
    given = journal.plan.incident.get("targets", {})
    if "incidents_before_per_month" not in given or "share_left" not in given:
        return None, None, "the dossier gives no incidents_before_per_month or share_left", ()
    found = [d for d in departures(journal, lapse=True) if d.expected]
    if not found:
        return None, None, "nothing with a chore was orphaned, or nobody left", ()
    expected = {(d.step, j) for d in found for j in d.expected}
    really = {(d.step, j) for d in found for j in d.measured} & expected
    breaks = len(really) / len(expected)
    before, left = float(given["incidents_before_per_month"]["value"]), float(given["share_left"]["value"])
    rate = incident_rate(roster(journal), journal.plan.staff.get("lapse", ()), left, before, breaks)
    low, high = band(target)
    words = f"of the journeys that orphans carry, {len(really)} of {len(expected)} were lost; the rest is expectation"
    return round(rate, 3), low <= rate <= high, words, tuple(name for d in found for name in d.evidence)


MEASURES: Measures = (
    (r"report_ratio", _report_ratio),
    (r"public_success_change", _success_change),
    (r"canary_slows_before_public", _canary),
    (r"incident_rate_after", _incident_rate),
)
