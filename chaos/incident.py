"""An incident's facts beside what a run measured: one row a target of its dossier in seeds/.

What each kind of target is measured by is named here; which of them a run may be judged by is the dossier's word:
`when` (settings it speaks of), `driver: failover` (not scaled, so comparable at the dossier's full scale only).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.delivery import ledgers
from chaos.measures.phases import studied
from chaos.measures.reach import share_back
from chaos.measures.recovery import Outage, every_outage, fraction, incident_s

USES = ("predict", "control", "calibrate")
TOLERANCE = 0.10  # of a value, where the dossier gives none
NEVER = "not back before the load ended"
UNTIMED = "the dossier does not say how long the outage was (when.outage_hours)"
UNUSED = "nobody used it since the first fault"


class Row(msgspec.Struct, frozen=True):
    """One fact beside its measurement.

    `use` is calibrate (reproduced, never judged), predict or control. `holds` is None where it is not judged by a
    figure; `note` then says why. `measured` None with `holds` False says that it never happened.
    """

    name: str
    use: str
    fact: Any
    measured: Any = None
    holds: bool | None = None
    note: str = ""
    shown: bool = True  # False: this form of the experiment cannot show it
    evidence: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        return self.shown and self.use in ("predict", "control")


@dataclass(frozen=True)
class _Seen:
    """A journal with the outages of its journeys, found once for all targets."""

    journal: Journal
    outages: Mapping[str, Outage | None]

    def back(self, journey: str) -> Return:
        """One that never failed was back at the onset."""
        o, onset = self.outages[journey], self.journal.plan.onset
        return (onset, onset) if o is None else (o.last_failed, o.back)

    def cite(self, *journeys: str) -> tuple[str, ...]:
        """The operations that the returns of these journeys rest on: the last that failed, the first that did not."""
        found = [self.outages[j] for j in journeys]
        return cite(ops=[n for o in found if o for n in (o.failed[-1], o.returned) if n])


Return = tuple[float, float | None]  # last failure and return, seconds; the true return lies between them
Measured = tuple[Any, bool | None, str, tuple[str, ...]]  # measured, holds, note, evidence


def rows(journal: Journal, reproduced: Collection[str] = ()) -> tuple[Row, ...]:
    """A row for each target that speaks of this run's settings. `reproduced` names those this experiment was set by."""
    facts = journal.plan.incident
    seen = _Seen(journal, every_outage(journal))
    found = [_row(seen, name, target, reproduced) for name, target in _targets(facts, journal.plan.settings)]
    # A plan that was saved and read again has its keys in another order.
    return tuple(sorted(found, key=lambda row: (USES.index(row.use), row.name)))


def _targets(facts: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, target in facts.get("targets", {}).items():
        if _applies(target.get("when", {}), settings):
            yield name, target
    for what_if in facts.get("counterfactuals", ()):
        # Only those that say in figures what they expect: the rest is for people, and for other experiments.
        if "target" in what_if and _applies(what_if["knobs"], settings):
            yield f"counterfactual_{what_if['target']}", {**what_if, "use": what_if.get("use", "predict")}


def _applies(when: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    return all(settings.get(k) == v for k, v in when.items())


def _row(seen: _Seen, name: str, target: Mapping[str, Any], reproduced: Collection[str]) -> Row:
    plan, use, fact = seen.journal.plan, str(target["use"]), target["value"]
    if use == "predict" and name in reproduced:
        use = "calibrate"
    full = plan.incident.get("scale", {}).get("full_tail")
    if target.get("driver") == "failover" and full is not None and plan.scale != full:
        note = f"failover is not scaled: shown at scale {full} only, this run's is {plan.scale:g}"
        return Row(name, use, fact, note=note, shown=False)
    measure = _measurement(name)
    measured, holds, note, evidence = measure(seen, name, target)
    shown = not (plan.short and measured is None and measure is not _input)
    if not shown:
        holds, note = None, f"the short form does not reach it ({note})"
    return Row(name, use, fact, measured, holds, note, shown, evidence)


Measure = Callable[[_Seen, str, Mapping[str, Any]], Measured]


def _measurement(name: str) -> Measure:
    for pattern, measured_by in MEASURED_BY:
        if re.fullmatch(pattern, name):
            return measured_by
    return _input


def _input(seen: _Seen, name: str, target: Mapping[str, Any]) -> Measured:
    return None, None, "an input of the plant, not measured on its own", ()


def _fraction(seen: _Seen, name: str, target: Mapping[str, Any]) -> Measured:
    """A journey's return fraction. It is known to lie between its last failure and its return, and judged so."""
    journey = re.sub(r"^counterfactual_|_return_fraction$", "", name)
    journey = str(target.get("journey", journey))
    if not incident_s(seen.journal):
        return None, None, UNTIMED, ()
    if journey not in seen.outages:
        return None, None, f"{journey}: {UNUSED}", ()
    o = seen.outages[journey]
    if o is None:
        return 0.0, *_within(target, 0.0, 0.0), ()
    evidence = cite(ops=(o.failed[0], o.failed[-1], *([o.returned] if o.returned else ())))
    if o.back is None:
        return None, False, f"{journey}: {NEVER}", evidence
    least, most = fraction(seen.journal, o.last_failed), fraction(seen.journal, o.back)
    return round(most, 4), *_within(target, least, most), evidence


def _within(target: Mapping[str, Any], least: float, most: float) -> tuple[bool, str]:
    """Whether a value known to lie between `least` and `most` can be the fact, and what is to be said of it."""
    low, high = _band(target)
    if most < low:
        quick = bool(target.get("quicker_holds"))
        return quick, "quicker than the fact's lower end" if quick else ""
    return least <= high, f"known to {least:.4f} at least" if most > high else ""


def _servers(seen: _Seen, name: str, target: Mapping[str, Any]) -> Measured:
    f = float(name.rpartition("_")[2])
    journal = seen.journal
    length = incident_s(journal)
    if not length:
        return None, None, UNTIMED, ()
    share = share_back(journal, journal.plan.onset + f * length)
    if share is None:
        return None, None, "no plant in this run, or it ended before", ()
    low, high = _band(target)
    heals = [n for n, e in journal.of("fault.heal") if e.data.get("unit")]
    return round(share, 4), low <= share <= high, "", cite(journal=heals)


def _order(seen: _Seen, name: str, target: Mapping[str, Any]) -> Measured:
    """Groups come back one after the other. Broken by an operation that still failed after a later group was back."""
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
        if known[early][0] - known[late][1] > seen.journal.plan.hold
    ]
    return measured, not broken, "; ".join(broken), seen.cite(*known)


def _after_text(seen: _Seen, name: str, target: Mapping[str, Any]) -> Measured:
    """Each still failed when text was back already."""
    text, others = _text_and_others(seen, target)
    if text is None or not others:
        return None, None, f"text: {NEVER}, or the others were not used", ()
    early = [j for j, (failed, _) in others.items() if failed <= text]
    words = f"did not fail any more once text was back: {', '.join(early)}" if early else ""
    return not early, (not early) is bool(target["value"]), words, seen.cite("text", *others)


def _with_text(seen: _Seen, name: str, target: Mapping[str, Any]) -> Measured:
    """None still failed once text had been back for `hold` seconds: two returns nearer than that are one."""
    text, others = _text_and_others(seen, target)
    if text is None or not others:
        return None, None, f"text: {NEVER}, or the others were not used", ()
    hold = seen.journal.plan.hold
    late = [j for j, (failed, _) in others.items() if failed - text > hold]
    words = f"still failed more than {hold:g} s after text was back: {', '.join(late)}" if late else ""
    return not late, (not late) is bool(target["value"]), words, seen.cite("text", *others)


def _control(seen: _Seen, name: str, target: Mapping[str, Any]) -> Measured:
    """The share of a journey's operations since the first fault that failed; a lost acknowledged write counts too."""
    journey = str(target.get("journey", name.partition("_")[0]))
    journal = seen.journal
    ops = [(n, op) for n, op, p in studied(journal, journey) if p != "before"]
    if not ops:
        return None, None, f"{journey}: {UNUSED}", ()
    bad = {n for n, op in ops if not op.ok} | {n for x in ledgers(journal) if x.journey == journey for n, _ in x.lost}
    share = len(bad) / len(ops)
    return round(share, 6), share <= float(target["value"]), f"{len(bad)} of {len(ops)} operations", cite(ops=bad)


MEASURED_BY: tuple[tuple[str, Measure], ...] = (
    (r"servers_back_at_f_[\d.]+", _servers),
    (r"order_of_return", _order),
    (r"unreplicated_after_text", _after_text),
    (r"replicated_with_text", _with_text),
    (r"\w+_core_loss", _control),
    (r"\w+_fraction", _fraction),
)


def _text_and_others(seen: _Seen, target: Mapping[str, Any]) -> tuple[float | None, dict[str, Return]]:
    text = seen.back("text")[1] if "text" in seen.outages else None
    return text, {j: seen.back(j) for j in target.get("journeys", ()) if j in seen.outages}


def _band(target: Mapping[str, Any]) -> tuple[float, float]:
    """What counts as the fact: a range as it is, a single value with its tolerance (absolute where the dossier says).

    What the run was set from is reproduced within a tenth of either end: a seat is a whole boot unit wide.
    """
    value = target["value"]
    low, high = (value, value) if isinstance(value, int | float) else map(float, value)
    if "tolerance" in target:
        return low - target["tolerance"], high + target["tolerance"]
    if low == high or target["use"] == "calibrate":
        return low - TOLERANCE * abs(low), high + TOLERANCE * abs(high)
    return low, high
