"""Texts about a run: durations, shares, and what users lost."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from chaos import naming, redaction
from chaos.judge.judgement import Judgement
from chaos.model import Event, Finding, Op, Verdict
from chaos.record.findings import FactRow, Measures, Outage
from chaos.record.journal import Journal
from chaos.safe import Marked
from chaos.units import in_words

NONE = Marked("-")
FULL = 4  # journeys that get their own sentence
GONE = 0.9  # share of failed operations from which a journey "was down"

MEANING = {
    Verdict.PASS: "every check held, or failed as expected",
    Verdict.INCONCLUSIVE: "the run does not show it",
    Verdict.FAIL: "a check did not hold",
    Verdict.ERROR: "the harness could not do its job",
    Verdict.DIRTY: "something was left behind after the heal",
}


def meaning(journal: Journal, judgement: Judgement) -> str:
    """The meaning of the verdict, as half a sentence."""
    if judgement.verdict is Verdict.INCONCLUSIVE:
        if journal.plan.no_faults:
            return "run with --no-faults: nothing was broken, so the run shows nothing"
        if any(journal.of("run.stopped")):
            return "a stop condition ended the run; everything is healed, and the executed part cannot pass"
        names = list(dict.fromkeys(f.check for f in judgement.findings if f.verdict is Verdict.INCONCLUSIVE))
        return f"the run does not show it, see {', '.join(names)} below"
    return MEANING[judgement.verdict]


def interrupted(journal: Journal) -> bool:
    """Whether the run was interrupted, so that its measurements do not reflect the plan."""
    return any(e.data.get("status") == "interrupted" for _, e in journal.of("run.end"))


def claim(journal: Journal, judgement: Judgement) -> str:
    """The experiment's claim, and whether an expected failure refutes it here.

    Always one line: another line of it could look like a verdict.
    """
    said = " ".join(journal.plan.claim.split())
    if judgement.expected_failures:
        return f"Claim (known not to hold in this posture): {said}"
    return f"Claim: {said}"


def incident_time(seconds: float, scale: float) -> str:
    """Run seconds as incident time, as text; at scale 1 they are the same."""
    return in_words(seconds * scale)


def both(seconds: float, scale: float) -> str:
    """Incident time followed by run time, or only run time at scale 1."""
    if scale == 1:
        return f"{seconds:.2f} s"
    return f"{incident_time(seconds, scale)} of incident time ({seconds:.2f} s of the run)"


def count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def percent(share: float | None) -> str:
    """Never rounded to 100 % or 0 %: a single lost or successful operation must remain visible."""
    if share is None:
        return NONE
    return f"{share if share in (0.0, 1.0) else min(max(share, 0.001), 0.999):.1%}"


def ms(value: float | None, n: int = 1) -> str:
    """Milliseconds; a text if there was no success, or no operations."""
    if not n:
        return NONE
    return "no answer" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def most_used(judgement: Judgement) -> tuple[str, ...]:
    """The journeys in the order of all reports: the most used first."""
    found = judgement.measures.availability
    return tuple(sorted(found, key=lambda j: (-found[j].n, j)))


def lost(journal: Journal, judgement: Judgement) -> list[str]:
    """What users lost, in sentences: the most used journeys first, then the unaffected ones, then writes."""
    m, scale = judgement.measures, journal.plan.scale
    if not journal.plan.load.present:
        return list(probed(judgement, scale)) or ["The experiment has neither a load nor probes."]
    outages = m.outage
    order = sorted((j for j in most_used(judgement) if j in outages), key=lambda j: outages[j].back is not None)
    full = [j for k, j in enumerate(order) if k < FULL or outages[j].back is None]
    said = [_outage(j, outages[j], m.rto_s[j], scale) for j in full]
    if rest := [j for j in order if j not in full]:
        unit = "" if scale == 1 else " (incident time)"
        said.append(f"Also: {', '.join(f'{j} {_short_time(m.rto_s[j], scale)}' for j in rest)}{unit}.")
    if spared := [j for j in most_used(judgement) if j in m.rto_s and j not in outages]:
        ops = sum(m.availability[j].counts.since for j in spared)
        said.append(f"Not affected: {', '.join(spared)} (none of {ops:,} operations failed).")
    if not m.rto_s:
        said.append("No operation was recorded since the first fault.")
    said.append(_writes(m, not journal.ops or bool(journal.writes)))
    return [*said, *probed(judgement, scale)]


def probed(judgement: Judgement, scale: float) -> Iterator[str]:
    """What probes with a tolerance found since the first fault, in sentences: those that were not well first."""
    m, well = judgement.measures, []
    for name, a in m.probe_availability.items():
        rto = m.probe_rto_s.get(name, NONE)
        unseen = f" {count(a.unseen, 'question')} could not be asked." if a.unseen else ""
        if rto == 0.0 and not unseen:
            well.append(name)
        elif isinstance(rto, str):
            yield f"Probe {name} has no answer since the first fault.{unseen}"
        elif rto is None:
            yield f"Probe {name} never came back; {count(a.bad, 'answer')} since the first fault were bad.{unseen}"
        elif rto:
            yield f"Probe {name} was away for {both(rto, scale)}; {count(a.bad, 'bad answer')}.{unseen}"
        else:
            yield f"Probe {name} had no bad answer.{unseen}"
    if well:
        yield f"Not affected: {'probe' if len(well) == 1 else 'probes'} {', '.join(well)} (no bad answer)."


def _outage(journey: str, o: Outage, rto: float | None, scale: float) -> str:
    name, share = journey[:1].upper() + journey[1:], o.failed / o.of
    gone = "was down" if share >= GONE else f"failed {percent(share)} of the time"
    behind = f"{o.failed:,} of {o.of:,} operations failed"
    if rto is None:
        return f"{name} never came back: it {gone} from {o.begin:.2f} s to the end of the run; {behind}."
    return f"{name} {gone} for {both(rto, scale)}; {behind}."


def _short_time(rto: float | None, scale: float) -> str:
    return "never back" if rto is None else in_words(rto * scale)


def _writes(m: Measures, marked: bool) -> str:
    d = m.delivery
    if d is None and not marked:
        return "Lost writes were not checked: no operation of this load is marked as a write."
    if d is None:
        return "It is unknown whether writes were lost: nothing was read back."
    unread = f" Could not be read back: {d.unread:,}." if d.unread else ""
    if not (d.acked or d.ghost):
        return f"No write was acknowledged, so none could be lost.{unread}"
    if not (d.lost or d.ghost or d.duplicated):
        return f"No acknowledged write was lost or duplicated ({d.acked:,} were acknowledged).{unread}"
    rpo = max((r for r in m.rpo_s.values() if r is not None), default=0.0)
    back = f", the oldest acknowledged {rpo:.2f} s before the fault" if d.lost else ""
    others = f" Phantom (refused but present): {d.ghost:,}. Duplicated: {d.duplicated:,}."
    extra = others if d.ghost or d.duplicated else ""
    return f"Lost: {d.lost:,} of {d.acked:,} acknowledged writes{back}.{extra}{unread}"


def outcome(finding: Finding) -> str:
    """PASS, FAIL, …; expected failures are marked."""
    if finding.xfail:
        return "XFAIL" if finding.verdict is Verdict.FAIL else "XPASS"
    return finding.verdict.value


def standing(row: FactRow) -> str:
    """How a measurement compares with its fact."""
    if not row.shown:
        return "not shown"
    if row.use == "calibrate":
        return {True: "reproduced", False: "NOT reproduced", None: "input"}[row.holds]
    word = {"predict": "as predicted", "control": "untouched"}[row.use]
    return {True: word, False: "MISSED", None: "unknown"}[row.holds]


def value(v: Any) -> str:
    """A fact or a measurement, short. An order is shown as a < b = c: a before b and c, which may be in any order."""
    if v is None:
        return NONE
    if isinstance(v, bool):
        return "yes" if v else "no"
    if isinstance(v, Mapping):
        return ", ".join(f"{k} {value(x)}" for k, x in sorted(v.items(), key=lambda kx: (-kx[1], kx[0])))
    if isinstance(v, list | tuple):
        if v and all(isinstance(x, list | tuple) and all(isinstance(y, str) for y in x) for x in v):
            return " < ".join(" = ".join(x) for x in v)
        if v and all(isinstance(x, list | tuple) for x in v):
            return ", ".join(_group(x) for x in v)
        return " to ".join(value(x) for x in v) if len(v) == 2 else ", ".join(value(x) for x in v)
    return f"{v:g}" if isinstance(v, int | float) else str(v)


def _group(x: Any) -> str:
    return f"{x[0]} {x[1]:g} s" if isinstance(x[0], str) else f"{x[0]:g}: {x[1]:g}"


def line(name: str, found: Event | Op) -> str:
    """One line of evidence, for people."""
    if isinstance(found, Op):
        answer = str(found.status) if found.status else found.error or "no answer"
        more = f", {found.error}" if found.status and found.error else ""
        return (
            f"{name}: t={found.t:.3f} s {found.user} ({found.client}) {found.journey}/{found.op} {found.id}: "
            f"{found.result}, {answer}{more}, {found.latency * 1000:,.0f} ms"
        )
    data = " ".join(f"{k}={_short(v)}" for k, v in sorted(found.data.items()))
    return f"{name}: t={found.t:.3f} s {found.kind} {found.subject} {data}".rstrip()


def _short(v: Any) -> str:
    return ",".join(map(str, v)) if isinstance(v, list | tuple) else str(v)


def settings(journal: Journal) -> str:
    """The run's knobs on one line, the posture first."""
    knobs = {k: v for k, v in sorted(journal.plan.settings.items()) if k != "posture"}
    return ", ".join([journal.plan.posture or "no posture", *(f"{k}={value(v)}" for k, v in knobs.items())])


def again(journal: Journal) -> str:
    """The command that repeats the run. The stack and single knobs are only known from the command line."""
    p, given = journal.plan, journal.env.get("argv")
    argv = [str(word) for word in given] if isinstance(given, list) else []
    knobs = "".join(f" --stack {shlex.quote(file)}" for file in _options(argv, "--stack") if file != naming.STACK)
    project = "".join(f" --project {name}" for name in _options(argv, "--project"))
    knobs += f" --posture {p.posture}" if p.posture else ""
    knobs += "".join(f" --without {kind}" for kind in p.without)
    knobs += "".join(f" --set {shlex.quote(redaction.assignment(text))}" for text in _options(argv, "--set"))
    flags = "".join(flag for flag, wanted in ((" --short", p.short), (" --no-faults", p.no_faults)) if wanted)
    return f"chaos run {p.experiment} --seed {p.seed}{project or f' --target {p.target}'}{knobs}{flags}"


def _options(argv: Sequence[str], name: str) -> Iterator[str]:
    """The values of an option, however it was written."""
    for before, word in pairwise(["", *argv]):
        if before == name or word.startswith(f"{name}="):
            yield word.removeprefix(f"{name}=")


def expected_failures(judgement: Judgement) -> Iterator[str]:
    for f in judgement.marked:
        held = " (held this time)" if f.verdict is Verdict.PASS else ""
        yield f"{f.check}: {f.xfail}{held}"
