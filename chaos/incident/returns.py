"""When services came back: return fractions, their order, the plant's servers, and the journeys that must not fail."""

from __future__ import annotations

import itertools
import re

from chaos.evidence import cite
from chaos.incident.row import Measured, Measures, Return, Seen, Target, band
from chaos.measures.delivery import ledgers
from chaos.measures.phases import studied
from chaos.measures.reach import share_back
from chaos.measures.recovery import fraction, incident_s
from chaos.plan import Plan

NEVER = "not back before the load ended"
UNTIMED = "the dossier does not say how long the outage was (when.outage_hours)"
UNUSED = "nobody used it since the first fault"


def _fraction(seen: Seen, name: str, target: Target) -> Measured:
    """A journey's return fraction. It is known to lie between its last failure and its return, and judged so."""
    journey = re.sub(r"^counterfactual_|_return_fraction$", "", name)
    journey = str(target.get("journey", journey))
    if not incident_s(seen.journal.plan):
        return None, None, UNTIMED, ()
    if journey not in seen.outages:
        return None, None, f"{journey}: {UNUSED}", ()
    o = seen.outages[journey]
    if o is None:
        return 0.0, *_within(target, seen.journal.plan, 0.0, 0.0), ()
    evidence = cite(ops=(o.failed[0], o.failed[-1], *([o.returned] if o.returned else ())))
    if o.back is None:
        return None, False, f"{journey}: {NEVER}", evidence
    least, most = fraction(seen.journal, o.last_failed), fraction(seen.journal, o.back)
    return round(most, 4), *_within(target, seen.journal.plan, least, most), evidence


def _within(target: Target, plan: Plan, least: float, most: float) -> tuple[bool, str]:
    """Whether a value known to lie between `least` and `most` can be the fact, and what is to be said of it."""
    low, high = band(target, _grain(plan))
    if most < low:
        quick = bool(target.get("quicker_holds"))
        return quick, "quicker than the fact's lower end" if quick else ""
    return least <= high, f"known to {least:.4f} at least" if most > high else ""


def _servers(seen: Seen, name: str, target: Target) -> Measured:
    f = float(name.rpartition("_")[2])
    journal = seen.journal
    length = incident_s(journal.plan)
    if not length:
        return None, None, UNTIMED, ()
    share = share_back(journal, journal.plan.onset + f * length)
    if share is None:
        return None, None, "no plant in this run, or it ended before", ()
    low, high = band(target, _grain(journal.plan))
    heals = [n for n, e in journal.of("fault.heal") if e.data.get("unit")]
    return round(share, 4), low <= share <= high, "", cite(journal=heals)


def _order(seen: Seen, name: str, target: Target) -> Measured:
    """Groups come back one after the other. Broken by an operation that failed while a later group was back already."""
    groups = [[j for j in group if j in seen.outages] for group in target["value"]]
    spans = {j: seen.back(j) for group in groups for j in group}
    known = {j: (failed, back) for j, (failed, back) in spans.items() if back is not None}
    if absent := sorted(set(spans) - set(known)):
        return None, False, f"{', '.join(absent)}: {NEVER}", ()
    measured = [[j, round(back, 2)] for j, (_, back) in sorted(known.items(), key=lambda x: (x[1][1], x[0]))]
    broken = [
        f"{late} before {early}"
        for k, group in enumerate(groups)
        for early in group
        for late in (j for later in groups[k + 1 :] for j in later)
        if known[early][0] > known[late][1]
    ]
    return measured, not broken, "; ".join(broken), seen.cite(*known)


def _after_text(seen: Seen, name: str, target: Target) -> Measured:
    """Each still failed when text was back already."""
    text, others = _text_and_others(seen, target)
    if text is None or not others:
        return None, None, f"text: {NEVER}, or the others were not used", ()
    early = [j for j, (failed, _) in others.items() if failed <= text]
    words = f"did not fail any more once text was back: {', '.join(early)}" if early else ""
    return not early, (not early) is bool(target["value"]), words, seen.cite("text", *others)


def _with_text(seen: Seen, name: str, target: Target) -> Measured:
    """None still failed once text had been back for `hold` seconds: two returns nearer than that are one."""
    text, others = _text_and_others(seen, target)
    if text is None or not others:
        return None, None, f"text: {NEVER}, or the others were not used", ()
    hold = seen.journal.plan.hold
    late = [j for j, (failed, _) in others.items() if failed - text > hold]
    words = f"still failed more than {hold:g} s after text was back: {', '.join(late)}" if late else ""
    return not late, (not late) is bool(target["value"]), words, seen.cite("text", *others)


def _control(seen: Seen, name: str, target: Target) -> Measured:
    """The share of a journey's operations since the first fault that failed; a lost acknowledged write counts too."""
    journey = str(target.get("journey", name.partition("_")[0]))
    journal = seen.journal
    ops = [(n, op) for n, op, p in studied(journal, journey) if p != "before"]
    if not ops:
        return None, None, f"{journey}: {UNUSED}", ()
    bad = {n for n, op in ops if not op.ok} | {n for x in ledgers(journal) if x.journey == journey for n, _ in x.lost}
    share = len(bad) / len(ops)
    return round(share, 6), share <= float(target["value"]), f"{len(bad)} of {len(ops)} operations", cite(ops=bad)


MEASURES: Measures = (
    (r"servers_back_at_f_[\d.]+", _servers),
    (r"order_of_return", _order),
    (r"unreplicated_after_text", _after_text),
    (r"replicated_with_text", _with_text),
    (r"\w+_core_loss", _control),
    (r"\w+_fraction", _fraction),
)


def _text_and_others(seen: Seen, target: Target) -> tuple[float | None, dict[str, Return]]:
    text = seen.back("text")[1] if "text" in seen.outages else None
    return text, {j: seen.back(j) for j in target.get("journeys", ()) if j in seen.outages}


def _grain(plan: Plan) -> float:
    """One boot unit of the plant as a fraction of the incident; 0.0 without a plant."""
    backs = sorted({r.t for s in plan.steps for r in s.releases if r.unit})
    length = incident_s(plan)
    return min((b - a for a, b in itertools.pairwise(backs)), default=0.0) / length if length else 0.0
