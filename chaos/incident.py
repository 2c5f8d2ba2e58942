"""An incident's facts beside what a run measured: one row a target of its dossier in seeds/.

What each kind of target is measured by is named here; which of them a run may be judged by is the dossier's word:
`when` (settings it speaks of), `driver: failover` (not scaled, so comparable at the dossier's full scale only).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec

from chaos.evidence import cite
from chaos.journal import Journal
from chaos.measures.delivery import ledgers
from chaos.measures.phases import resolution, studied
from chaos.measures.reach import share_back
from chaos.measures.recovery import ENOUGH, incident_s, outage, return_fraction

TOLERANCE = 0.10  # of a single value, where the dossier gives none
NEVER = "not back before the load ended"
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


Measured = tuple[Any, bool | None, str, tuple[str, ...]]  # measured, holds, note, evidence


def rows(journal: Journal, reproduced: Collection[str] = ()) -> tuple[Row, ...]:
    """A row for each target that speaks of this run's settings. `reproduced` names those this experiment was set by."""
    facts = journal.plan.incident
    found = [_row(journal, name, target, reproduced) for name, target in _targets(facts, journal.plan.settings)]
    return tuple(found)


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


def _row(journal: Journal, name: str, target: Mapping[str, Any], reproduced: Collection[str]) -> Row:
    use, fact = str(target["use"]), target["value"]
    if use == "predict" and name in reproduced:
        use = "calibrate"
    full = journal.plan.incident.get("scale", {}).get("full_tail")
    if target.get("driver") == "failover" and full is not None and journal.plan.scale != full:
        note = f"failover is not scaled: shown at scale {full} only, this run's is {journal.plan.scale:g}"
        return Row(name, use, fact, note=note, shown=False)
    measured, holds, note, evidence = _measurement(name)(journal, name, target)
    shown = not (journal.plan.short and measured is None)
    if not shown:
        holds, note = None, f"the short form does not reach it ({note})"
    return Row(name, use, fact, measured, holds, note, shown, evidence)


def _measurement(name: str) -> Callable[[Journal, str, Mapping[str, Any]], Measured]:
    for pattern, measured_by in MEASURED_BY:
        if re.fullmatch(pattern, name):
            return measured_by
    return _input


def _input(journal: Journal, name: str, target: Mapping[str, Any]) -> Measured:
    return None, None, "an input of the plant, not measured on its own", ()


def _fraction(journal: Journal, name: str, target: Mapping[str, Any]) -> Measured:
    """A journey's return fraction, inside the fact widened by one arrival: it cannot be known finer."""
    journey = re.sub(r"^counterfactual_|_return_fraction$", "", name)
    journey = str(target.get("journey", journey))
    if not _used(journal, journey):
        return None, None, f"{journey}: {UNUSED}", ()
    o, f = outage(journal, journey), return_fraction(journal, journey)
    evidence = cite(ops=(o.failed[0], o.failed[-1], *([o.returned] if o.returned else ()))) if o else ()
    if f is None:
        return None, False, f"{journey}: {NEVER}", evidence
    grain = (resolution(journal, journey) or 0.0) / (incident_s(journal) or 1.0)
    low, high = _band(target)
    quick = bool(target.get("quicker_holds")) and f < low
    note = "quicker than the fact's lower end" if quick and f < low - grain else ""
    return round(f, 4), quick or low - grain <= f <= high + grain, note, evidence


def _servers(journal: Journal, name: str, target: Mapping[str, Any]) -> Measured:
    f = float(name.rpartition("_")[2])
    length = incident_s(journal)
    assert length, "a dossier with fractions says how long the incident was"
    share = share_back(journal, journal.plan.onset + f * length)
    if share is None:
        return None, None, "no plant in this run, or it ended before", ()
    low, high = _band(target)
    heals = [n for n, e in journal.of("fault.heal") if e.data.get("unit")]
    return round(share, 4), low <= share <= high, "", cite(journal=heals)


def _order(journal: Journal, name: str, target: Mapping[str, Any]) -> Measured:
    """Groups come back one after the other. Broken only by more than can be resolved: hold, or a few arrivals."""
    groups = [[j for j in group if _used(journal, j)] for group in target["value"]]
    backs = {j: _back(journal, j) for group in groups for j in group}
    if absent := [j for j, t in backs.items() if t is None]:
        return None, False, f"{', '.join(absent)}: {NEVER}", ()
    known = {j: t for j, t in backs.items() if t is not None}
    measured = [[j, round(t, 2)] for j, t in sorted(known.items(), key=lambda x: (x[1], x[0]))]
    broken = [
        f"{late} before {early}"
        for k, group in enumerate(groups)
        for early in group
        for late in (j for later in groups[k + 1 :] for j in later)
        if known[early] - known[late] > _slack(journal, early, late)
    ]
    return measured, not broken, "; ".join(broken), _returns(journal, *known)


def _after_text(journal: Journal, name: str, target: Mapping[str, Any]) -> Measured:
    text, others = _text_and_others(journal, target)
    if text is None or not others:
        return None, None, f"text: {NEVER}, or the others were not used", ()
    early = [j for j, t in others.items() if t is not None and t - text <= (resolution(journal, j) or 0.0)]
    words = f"back with text or before it: {', '.join(early)}" if early else ""
    return not early, (not early) is bool(target["value"]), words, _returns(journal, "text", *others)


def _with_text(journal: Journal, name: str, target: Mapping[str, Any]) -> Measured:
    text, others = _text_and_others(journal, target)
    if text is None or not others:
        return None, None, f"text: {NEVER}, or the others were not used", ()
    late = [j for j, t in others.items() if t is None or t - text > _slack(journal, j, "text")]
    words = f"later than text by more than can be resolved: {', '.join(late)}" if late else ""
    return not late, (not late) is bool(target["value"]), words, _returns(journal, "text", *others)


def _control(journal: Journal, name: str, target: Mapping[str, Any]) -> Measured:
    """The share of a journey's operations since the first fault that failed; a lost acknowledged write counts too."""
    journey = str(target.get("journey", name.partition("_")[0]))
    ops = [(n, op) for n, op, p in studied(journal, journey) if p != "before"]
    if not ops:
        return None, None, f"{journey}: {UNUSED}", ()
    bad = {n for n, op in ops if not op.ok} | {n for x in ledgers(journal) if x.journey == journey for n, _ in x.lost}
    share = len(bad) / len(ops)
    return round(share, 6), share <= float(target["value"]), f"{len(bad)} of {len(ops)} operations", cite(ops=bad)


MEASURED_BY: tuple[tuple[str, Callable[[Journal, str, Mapping[str, Any]], Measured]], ...] = (
    (r"servers_back_at_f_[\d.]+", _servers),
    (r"order_of_return", _order),
    (r"unreplicated_after_text", _after_text),
    (r"replicated_with_text", _with_text),
    (r"\w+_core_loss", _control),
    (r"\w+_fraction", _fraction),
)


def _text_and_others(journal: Journal, target: Mapping[str, Any]) -> tuple[float | None, dict[str, float | None]]:
    used = [j for j in target.get("journeys", ()) if _used(journal, j)]
    text = _back(journal, "text") if _used(journal, "text") else None
    return text, {j: _back(journal, j) for j in used}


def _used(journal: Journal, journey: str) -> bool:
    return any(p != "before" for _, _, p in studied(journal, journey))


def _back(journal: Journal, journey: str) -> float | None:
    """When it was back; one that never failed was back at the onset."""
    o = outage(journal, journey)
    return journal.plan.onset if o is None else o.back


def _returns(journal: Journal, *journeys: str) -> tuple[str, ...]:
    found = [outage(journal, j) for j in journeys]
    return cite(ops=[o.returned for o in found if o and o.returned])


def _slack(journal: Journal, *journeys: str) -> float:
    """Two returns nearer than this are one: each is known to a stretch of `hold` seconds and ENOUGH arrivals only."""
    return max(journal.plan.hold, *(ENOUGH * (resolution(journal, j) or 0.0) for j in journeys))


def _band(target: Mapping[str, Any]) -> tuple[float, float]:
    """A range as it is; a single value with its tolerance, absolute where the dossier gives one."""
    value = target["value"]
    if isinstance(value, int | float):
        margin = float(target.get("tolerance", TOLERANCE * abs(value)))
        return value - margin, value + margin
    low, high = value
    return float(low), float(high)
