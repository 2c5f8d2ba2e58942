"""A log-out storm: pages that work, sessions kept, old content, what people report, what a status page says."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from statistics import median

from chaos.evidence import cite
from chaos.incident.row import Measured, Measures, Seen, Target, band
from chaos.journal import Journal
from chaos.measures.outcry import DEGRADED, STATUS, filed, peaked, shares
from chaos.measures.phases import studied
from chaos.measures.sessions import kept, thrown_out
from chaos.measures.staleness import age, shown
from chaos.model import Op

ENOUGH = 100  # pages, or reports: fewer say nothing about a share
NOBODY = "there is no model of people in this plan (people:)"
SIGNS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip


def computed(formula: str, values: Mapping[str, float]) -> float:
    """`(1 - f) ** n` with the values of its names: numbers, names and + - * / **. Raises ValueError for the rest."""

    def of(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name) and node.id in values:
            return float(values[node.id])
        if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
            return SIGNS[type(node.op)](of(node.left), of(node.right))
        raise ValueError(f"formula {formula!r}: cannot read {ast.unparse(node)!r}; known names: {', '.join(values)}")

    return of(ast.parse(formula, mode="eval").body)


def _pages(seen: Seen, name: str, target: Target) -> Measured:
    """Of the pages loaded while the whole release was out, the share that worked. Left out: broken by anything else."""
    journal, settings = seen.journal, seen.journal.plan.settings
    journey = str(target.get("journey", "page"))
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


def _out(journal: Journal, op: Op) -> bool:
    """Whether every step of the release was out from its start to its end: what met half a release shows neither."""
    steps = {w.label for w in journal.windows}
    met = {w.label for w in journal.windows if op.start in w and op.end in w}
    return bool(steps) and met == steps


def _kept(seen: Seen, name: str, target: Target) -> Measured:
    client = name.partition("_")[0]
    before, out = kept(seen.journal, client)
    if not before:
        return None, None, f"no {client} user was logged in before the first fault", ()
    share = 1 - len(out) / len(before)
    note = f"{len(before) - len(out)} of {len(before)} users"
    return round(share, 4), share >= float(target["at_least"]), note, cite(ops=out.values())


def _stale(seen: Seen, name: str, target: Target) -> Measured:
    """To what age, in hours of the incident, content jumped where a refresh failed; and how fast it aged from there."""
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
    """Of the straight line through them; nan where there is none."""
    n = len(points)
    x, y = sum(a for a, _ in points) / n, sum(b for _, b in points) / n
    spread = sum((a - x) ** 2 for a, _ in points)
    return sum((a - x) * (b - y) for a, b in points) / spread if spread else float("nan")


def _shares(seen: Seen, name: str, target: Target) -> Measured:
    """What one region's form was filled with."""
    region = name.removeprefix("shares_")
    people = seen.journal.plan.people
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
    """When reports peaked, as a share of the outage of the web page, which is what most people reported."""
    journal, onset = seen.journal, seen.journal.plan.onset
    journey = str(target.get("journey", "page"))
    outage = seen.outages.get(journey)
    if journal.plan.people is None:
        return None, None, NOBODY, ()
    if outage is None:
        return None, None, f"{journey}: it did not fail, or nobody used it", ()
    found = filed(journal)
    if outage.back is None or len(found) < ENOUGH:
        return None, None, f"{journey} not back before the load ended, or fewer than {ENOUGH} reports", ()
    at = peaked(journal, found)
    assert at is not None, "there are reports"
    share = (at - onset) / (outage.back - onset)
    low, high = band(target)
    return round(share, 4), low <= share <= high, f"{len(found):,} reports; {_service_level(journal)}", ()


def _service_level(journal: Journal) -> str:
    """The truth, beside whatever people said."""
    ok = [op.ok for _, op, p in studied(journal) if p == "during" and op.journey != STATUS]
    return f"{sum(ok) / len(ok):.0%} of operations went well meanwhile" if ok else "nobody came meanwhile"


def _recall(seen: Seen, name: str, target: Target) -> Measured:
    """1 when the status page owned up to the outage while it lasted, to anybody who read it; else 0."""
    journal, journey = seen.journal, str(target.get("journey", "page"))
    outage = seen.outages.get(journey)
    if outage is None:
        return None, None, f"{journey}: there was no outage to own up to, or nobody used it", ()
    until = outage.seen if outage.back is None else outage.back
    read = [(n, op) for n, op in journal.operations(STATUS) if op.ok and outage.start <= op.t < until]
    if not read:
        return None, None, "nobody read the status page during the outage", ()
    owned = [n for n, op in read if DEGRADED in op.error]
    recall = 1 if owned else 0
    note = f"{len(owned)} of {len(read)} who read it were told"
    return recall, recall == target["value"], note, cite(ops=owned or [n for n, _ in read])


MEASURES: Measures = (
    (r"(counterfactual_)?web_page_success", _pages),
    (r"\w+_session_kept", _kept),
    (r"staleness_jump_hours", _stale),
    (r"shares_\w+", _shares),
    (r"onset_to_peak_fraction_of_duration", _peak),
    (r"(counterfactual_)?status_page_recall", _recall),
)
