"""Measures of an exodus: more reports at the same service level, a build that slows first, and more incidents."""

from __future__ import annotations

from chaos.incidents.carried import dossier, staff
from chaos.incidents.measures.departures import departures, night, roster
from chaos.incidents.measures.row import Measured, Measures, Seen, Target, band
from chaos.incidents.named import AHEAD, journey, journeys
from chaos.incidents.people.sentiment import reports
from chaos.incidents.staff.model import incident_rate
from chaos.judge.measures.levels import slowed
from chaos.judge.measures.phases import studied
from chaos.record.evidence import cite


def _report_ratio(seen: Seen, name: str, target: Target) -> Measured:
    """Measure the reports in the window after the news, divided by those before. The dossier calibrates the model."""
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
    """Measure by how much the success rate of the public changed since people left."""
    ahead = journeys(dossier(seen.journal.plan), AHEAD)
    ops = [(n, op, p) for n, op, p in studied(seen.journal) if op.journey not in ahead]
    before = [op.ok for _, op, p in ops if p == "before"]
    since = [op.ok for _, op, p in ops if p != "before"]
    if not before or not since:
        return None, None, "no operations before, or none since", ()
    change = sum(since) / len(since) - sum(before) / len(before)
    low, high = band(target)
    bad = [n for n, op, p in ops if p != "before" and not op.ok]
    words = f"{len(since) - sum(since)} of {len(since)} operations"
    return round(change, 6), low <= change <= high, words, cite(ops=bad)


def _ahead(seen: Seen, name: str, target: Target) -> Measured:
    """Measure whether the journey in the target's name slowed before the public's journeys did."""
    ahead = journey(AHEAD, name)
    if ahead not in seen.journal.journeys:
        return None, None, f"nobody used the {ahead}", ()
    early, lines = slowed(seen.journal, lambda j: j == ahead)
    public, later = slowed(seen.journal, lambda j: j != ahead)
    if early is None:
        return False, target["value"] is False, f"the {ahead} never slowed", cite(ops=later)
    first = public is None or early < public
    words = "the public never did" if public is None else f"the public at {public:g} s"
    said = f"the {ahead} slowed at {early:g} s, {words}"
    return first, first is bool(target["value"]), said, cite(ops=(*lines, *later))


def _incident_rate(seen: Seen, name: str, target: Target) -> Measured:
    """Measure the incidents per month since people left, as a multiple of those before.

    The dossier gives the incidents before, and the share who left. The incidents since are those before, plus the
    expected number of orphans with a chore, times the share of the expected journeys that this run really lost.
    """
    journal = seen.journal
    given = dossier(journal.plan).get("targets", {})
    if "incidents_before_per_month" not in given or "share_left" not in given:
        return None, None, "the dossier gives no incidents_before_per_month or share_left", ()
    found = [d for d in departures(journal, lapse=True) if d.expected]
    if not found:
        return None, None, "nothing with a chore was orphaned, or nobody left", ()
    expected = {(d.step, j) for d in found for j in d.expected}
    really = {(d.step, j) for d in found for j in d.measured} & expected
    breaks = len(really) / len(expected)
    before, left = float(given["incidents_before_per_month"]["value"]), float(given["share_left"]["value"])
    rate = incident_rate(roster(journal), staff(journal.plan).lapse, left, before, breaks)
    low, high = band(target)
    words = f"of the journeys that orphans carry, {len(really)} of {len(expected)} were lost; the rest is expectation"
    return round(rate, 3), low <= rate <= high, words, tuple(name for d in found for name in d.evidence)


MEASURES: Measures = (
    (r"report_ratio", _report_ratio),
    (r"public_success_change", _success_change),
    (AHEAD, _ahead),
    (r"incident_rate_after", _incident_rate),
)
