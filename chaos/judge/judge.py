"""Derives one verdict from a run's journal: assumptions first, then the plan's checks. Exceptions become findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from chaos import errors, registry
from chaos.experiment.plan import CheckSpec
from chaos.judge import beside
from chaos.judge.added import added
from chaos.judge.assumed import Assumed, alone, assumptions, safely
from chaos.judge.ending import ending as endings
from chaos.judge.ending import residue
from chaos.judge.judgement import Judgement
from chaos.judge.measures import measure
from chaos.model import Finding, Verdict
from chaos.protocols import Checker
from chaos.record.findings import FactRow, Measures
from chaos.record.journal import Journal

CHECKERS = "chaos.judge.checkers"


def judge(journal: Journal, run: str = "") -> Judgement:
    """Judge a run. `run` is the name of its folder for display. The same journal always gives the same judgement."""
    assumed = assumptions(journal)
    vital = [a for a in assumed if a.rule.vital]
    ending = (*(a.finding for a in vital if not a.holds), *endings(journal))
    sound = all(f.verdict is Verdict.PASS for f in ending) and all(a.holds for a in assumed if a.rule.alone)
    broken = [a for a in assumed if not a.holds]
    checks = tuple(_checked(spec, journal, sound, broken) for spec in journal.plan.checks)
    others = tuple(alone(a, checks) for a in assumed if not a.rule.vital)
    if not checks:  # a run without checks must not pass
        checks = (Finding("checks", Verdict.INCONCLUSIVE, "the plan has no check, so nothing was judged"),)
    shown, unread = _facts(journal)
    measured, unmeasured = added(journal)
    findings = (*ending, *others, *checks, *unread, *unmeasured)
    return Judgement(
        verdict=Verdict.worst(_counts(f) for f in findings),
        findings=findings,
        facts=shown,
        measures=msgspec.structs.replace(_measures(journal), added=measured),
        residue=residue(journal),
        run=run,
    )


def _counts(finding: Finding) -> Verdict:
    """The verdict that counts for the run: an expected failure does not fail it."""
    return Verdict.PASS if finding.xfail and finding.verdict is Verdict.FAIL else finding.verdict


def _checked(spec: CheckSpec, journal: Journal, sound: bool, broken: Sequence[Assumed]) -> Finding:
    """The finding of one check, adjusted if the run was cut short or broke its assumptions."""
    try:
        checker = _made(spec)
    except errors.BadExperiment as e:  # a plan of another version
        return Finding(spec.id, Verdict.INCONCLUSIVE, f"cannot be made: {e}")
    finding = safely(spec.id, checker, journal)
    if finding.verdict is not Verdict.FAIL:
        return _expected(spec, finding, journal, sound)
    if _cut_off(journal):
        return _excused(finding, "the run was interrupted, so its result is unknown")
    if not checker.convicts_early and any(journal.of("run.stopped")):
        return _excused(finding, "the run was stopped early, so this cannot fail it")
    excuses = [a for a in broken if a.rule.excuses(checker)]
    if vital := [a.rule.excuse for a in excuses if a.rule.vital]:
        return _excused(finding, vital[0])
    found = _expected(spec, finding, journal, sound)
    convicts = found.verdict is Verdict.FAIL and not found.xfail
    return _excused(found, excuses[0].rule.excuse) if convicts and excuses else found


def _made(spec: CheckSpec, bound: Mapping[str, Any] = {}) -> Checker:
    made: Checker = registry.build(registry.load(CHECKERS, spec.check), {**spec.params, **bound})
    return made


def _excused(finding: Finding, why: str) -> Finding:
    return replace(finding, verdict=Verdict.INCONCLUSIVE, summary=f"{finding.summary}; {why}")


def _expected(spec: CheckSpec, finding: Finding, journal: Journal, sound: bool) -> Finding:
    """Adjust the finding of a check that is expected to fail: within its bound it is marked, beyond it fails the run.

    If it passes, its mark has to be removed (XPASS), unless passing depends on chance or the run's assumptions failed:
    a fault without effect proves nothing about the gap.
    """
    if not spec.xfail:
        return finding
    if finding.verdict is Verdict.PASS and (spec.may_hold or not sound):
        return replace(finding, xfail=spec.xfail)
    if finding.verdict is Verdict.PASS:
        words = f"XPASS: holds although it is expected to fail ({spec.xfail}); remove the mark from {spec.id}"
        return replace(finding, verdict=Verdict.FAIL, summary=f"{words}. {finding.summary}")
    if finding.verdict is Verdict.INCONCLUSIVE or not spec.bound:
        return finding if finding.verdict is Verdict.INCONCLUSIVE else replace(finding, xfail=spec.xfail)
    within = safely(spec.id, _made(spec, spec.bound), journal)
    checker = registry.load("chaos.judge.checkers", spec.check)
    bound = registry.shown(checker, spec.bound, journal.plan.scale)
    if within.verdict is Verdict.PASS:
        return replace(finding, xfail=spec.xfail, summary=f"{finding.summary}; within its bound ({bound})")
    words = f"{finding.summary}; expected to fail, and beyond its bound ({bound})"
    return replace(within, check=finding.check, summary=words if within.verdict is Verdict.FAIL else within.summary)


def _cut_off(journal: Journal) -> bool:
    """Whether the run was interrupted or killed with faults in force, so that it was not executed as planned."""
    ends = list(journal.of("run.end"))
    return not ends or ends[-1][1].data.get("status") == "interrupted"


def _facts(journal: Journal) -> tuple[tuple[FactRow, ...], tuple[Finding, ...]]:
    """The dossier's rows, whether or not a check judges them. A dossier that cannot be read becomes a finding."""
    try:
        return beside.facts(journal), ()
    except Exception as e:
        words = f"the dossier's targets cannot be read: {type(e).__name__}: {e}; see the plan's `incident`"
        return (), (Finding("incident facts", Verdict.INCONCLUSIVE, words),)


def _measures(journal: Journal) -> Measures:
    """The measures; those of an empty journal if the record is so inconsistent that measuring raises."""
    try:
        return msgspec.structs.replace(measure(journal), reports=beside.reports(journal))
    except Exception:
        return measure(replace(journal, events=(), ops=()))
