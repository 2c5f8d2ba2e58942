"""Measures of the return of services: fractions, order, the plant's servers, and journeys that must not fail."""

from __future__ import annotations

import itertools
import re

from chaos.experiment.plan import Plan
from chaos.incidents.measures.row import Measured, Measures, Return, Seen, Target, band
from chaos.judge.beside import length
from chaos.judge.measures.delivery import ledgers
from chaos.judge.measures.phases import studied
from chaos.judge.measures.recovery import fraction
from chaos.judge.measures.servers import share_back
from chaos.record.evidence import cite

NEVER = "not back before the load ended"
UNTIMED = "the dossier does not say how long the outage was (when.outage_hours)"
UNUSED = "nobody used it since the first fault"


def _fraction(seen: Seen, name: str, target: Target) -> Measured:
    """Measure a journey's return fraction. Its actual value lies between the last failure and the measured return."""
    journey = re.sub(r"^counterfactual_|_return_fraction$", "", name)
    journey = str(target.get("journey", journey))
    if not length(seen.journal.plan):
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
    """Return whether the interval from `least` to `most` meets the target's band, and a note.

    An interval below the band meets it if the target has `quicker_holds`.
    """
    low, high = band(target, _grain(plan))
    if most < low:
        quick = bool(target.get("quicker_holds"))
        return quick, "quicker than the fact's lower end" if quick else ""
    return least <= high, f"known to {least:.4f} at least" if most > high else ""


def _servers(seen: Seen, name: str, target: Target) -> Measured:
    f = float(name.rpartition("_")[2])
    journal = seen.journal
    lasted = length(journal.plan)
    if not lasted:
        return None, None, UNTIMED, ()
    share = share_back(journal, journal.plan.onset + f * lasted)
    if share is None:
        return None, None, "no plant in this run, or it ended before", ()
    low, high = band(target, _grain(journal.plan))
    heals = [n for n, e in journal.of("fault.heal") if e.data.get("unit")]
    return round(share, 4), low <= share <= high, "", cite(journal=heals)


def _order(seen: Seen, name: str, target: Target) -> Measured:
    """Measure whether groups come back in order. A journey that fails after one of a later group is back breaks it."""
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


def _after(seen: Seen, name: str, target: Target) -> Measured:
    """Measure whether each of the target's journeys still failed after the journey in its name was back."""
    first, back, others = _first_and_others(seen, name, target)
    if back is None or not others:
        return None, None, f"{first}: {NEVER}, or the others were not used", ()
    early = [j for j, (failed, _) in others.items() if failed <= back]
    words = f"did not fail any more once {first} was back: {', '.join(early)}" if early else ""
    return not early, (not early) is bool(target["value"]), words, seen.cite(first, *others)


def _beside(seen: Seen, name: str, target: Target) -> Measured:
    """Measure whether none of the target's journeys failed more than `hold` seconds after the one in its name was back.

    Returns that are closer together count as simultaneous.
    """
    first, back, others = _first_and_others(seen, name, target)
    if back is None or not others:
        return None, None, f"{first}: {NEVER}, or the others were not used", ()
    hold = seen.journal.plan.hold
    late = [j for j, (failed, _) in others.items() if failed - back > hold]
    words = f"still failed more than {hold:g} s after {first} was back: {', '.join(late)}" if late else ""
    return not late, (not late) is bool(target["value"]), words, seen.cite(first, *others)


def _control(seen: Seen, name: str, target: Target) -> Measured:
    """Measure the share of a journey's operations since the first fault that failed or lost an acknowledged write."""
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
    (r"unreplicated_after_\w+", _after),
    (r"replicated_with_\w+", _beside),
    (r"\w+_core_loss", _control),
    (r"\w+_fraction", _fraction),
)


def _first_and_others(seen: Seen, name: str, target: Target) -> tuple[str, float | None, dict[str, Return]]:
    """Return the journey that the name ends in, when it was back, and the returns of the target's other journeys."""
    first = name.rpartition("_")[2]
    back = seen.back(first)[1] if first in seen.outages else None
    return first, back, {j: seen.back(j) for j in target.get("journeys", ()) if j in seen.outages}


def _grain(plan: Plan) -> float:
    """Return the shortest time between two boot units as a fraction of the incident; 0.0 without a plant."""
    backs = sorted({r.t for s in plan.steps for r in s.releases if r.unit})
    lasted = length(plan)
    return min((b - a for a, b in itertools.pairwise(backs)), default=0.0) / lasted if lasted else 0.0
