"""Judges the assumptions that hold for every run; they are found by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos import errors, registry
from chaos.model import Finding, Verdict
from chaos.protocols import Assumption, Checker
from chaos.record.journal import Journal

PACKAGE = "chaos.judge.assumptions"


@dataclass(frozen=True)
class Assumed:
    """An assumption, and the finding about this run."""

    name: str
    rule: Assumption
    finding: Finding

    @property
    def holds(self) -> bool:
        return self.finding.verdict is Verdict.PASS


def assumptions(journal: Journal) -> list[Assumed]:
    """The assumptions that apply to this run, judged, in the order of `place`."""
    made = [(name, _assumption(name)) for name in registry.names(PACKAGE)]
    asked = sorted(((n, a) for n, a in made if _applies(a, journal)), key=lambda x: (x[1].place, x[0]))
    return [Assumed(name, rule, safely(name, rule, journal)) for name, rule in asked]


def _assumption(name: str) -> Assumption:
    try:
        made: Assumption = registry.build(registry.load(PACKAGE, name), {})
    except errors.BadExperiment as e:  # a broken plug-in: no experiment names it, so nothing else would report it
        return _Unmade(str(e))
    return made


@dataclass(frozen=True)
class _Unmade(Assumption):
    why: str

    def check(self, journal: Journal) -> Finding:
        raise errors.BadExperiment(self.why)


def _applies(assumption: Assumption, journal: Journal) -> bool:
    """Whether it applies. If `applies` raises, it is judged, and its finding reports the error."""
    try:
        return assumption.applies(journal)
    except Exception:
        return True


def alone(assumed: Assumed, checks: Sequence[Finding]) -> Finding:
    """The finding of an assumption that matters only if it excused a check: PASS if it excused none."""
    finding, rule = assumed.finding, assumed.rule
    if assumed.holds or rule.alone or any(rule.excuse in f.summary for f in checks):
        return finding
    return replace(finding, verdict=Verdict.PASS, summary=f"{finding.summary}; but no check failed")


def safely(name: str, checker: Checker | Assumption, journal: Journal) -> Finding:
    try:
        return checker.check(journal)
    except Exception as e:  # a broken checker must not prevent the other findings
        return Finding(name, Verdict.INCONCLUSIVE, f"the checker raised {type(e).__name__}: {e}")
