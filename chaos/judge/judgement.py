"""The result of a run: findings, measures, facts to compare with, and one verdict."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.model import Finding, Verdict, badge
from chaos.record.findings import FactRow, Measures


@dataclass(frozen=True)
class Judgement:
    """The result. `facts` are the incident's rows; `residue` has one phrase for each item, and is empty if clean."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    facts: tuple[FactRow, ...]
    measures: Measures
    residue: tuple[str, ...] = ()
    run: str = ""  # the run's folder for display: runs/zone-fire/20260101T000000Z-s7

    @property
    def exit_code(self) -> int:
        return self.verdict.exit_code

    @property
    def marked(self) -> tuple[Finding, ...]:
        """Checks that are expected to fail, whether they failed or passed."""
        return tuple(f for f in self.findings if f.xfail)

    @property
    def expected_failures(self) -> int:
        """How many checks failed as expected. They do not fail the run."""
        return sum(f.verdict is Verdict.FAIL for f in self.marked)

    @property
    def badge(self) -> str:
        """The verdict for display: PASS, or `PASS, 1 expected failure`."""
        return badge(self.verdict.value, self.expected_failures)

    @property
    def color(self) -> str:
        """The outcome that gives the badge its colour: a PASS with expected failures is not green."""
        return "XFAIL" if self.badge != self.verdict.value else self.verdict.value
