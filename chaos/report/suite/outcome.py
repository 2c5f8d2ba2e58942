"""The outcome of a run in a suite, and of the suite: read from the run's findings.json, or from how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos import jsonfile
from chaos.experiment.suite import Play
from chaos.model import Verdict, badge
from chaos.record import findings
from chaos.record.findings import Document, Found
from chaos.run.child import INTERRUPTED, Played

HALTED = 75  # by `chaos halt`, or because another command holds the stack
_BY_CODE = {v.exit_code: v for v in Verdict}


@dataclass(frozen=True)
class Outcome:
    """One run. `document` is its findings.json, None if there is none; `why` is then the reason."""

    play: Play
    verdict: Verdict
    seconds: float = 0.0
    run: Path | None = None
    document: Document | None = None
    why: str = ""
    checks: tuple[str, ...] = ()  # ids of the plan's checks, NAME-N, where N is the position in the experiment's file

    @property
    def findings(self) -> Sequence[Found]:
        return self.document.findings if self.document else ()

    @property
    def figures(self) -> Mapping[str, float | None]:
        """Every number that it measured, by its dotted name."""
        return self.document.figures if self.document else {}

    @property
    def badge(self) -> str:
        """The verdict, with the number of expected failures."""
        return badge(self.verdict.value, self.document.expected_failures if self.document else 0)


def outcome(play: Play, played: Played) -> Outcome:
    """The outcome of a run. Without findings it is an ERROR, unless its exit code has a known meaning."""
    found = findings.read(played.run / "findings.json") if played.run else None
    plan = jsonfile.mapping(played.run / "plan.json") if played.run else {}
    checks = tuple(spec["id"] for spec in plan.get("checks", ()))
    verdict = Verdict(found.verdict) if found else _BY_CODE.get(played.code, Verdict.ERROR)
    if not found and verdict is Verdict.PASS:
        verdict = Verdict.ERROR  # a run without findings must not pass
    if found and played.code not in (verdict.exit_code, INTERRUPTED):
        verdict |= _BY_CODE.get(played.code, Verdict.ERROR)
    why = ""
    if played.over:
        why = f"over its budget of {play.budget:g} s: it was ended, and healed"
        verdict |= Verdict.INCONCLUSIVE
    elif played.code == INTERRUPTED:
        why = "interrupted"
        verdict |= Verdict.INCONCLUSIVE
    elif not found:
        why = " · ".join(played.said[-3:]) or f"it ended with exit code {played.code} without any output"
    return Outcome(play, verdict, played.seconds, played.run, found, why, checks)


def left_out(play: Play, why: str) -> Outcome:
    """The outcome of a run that was not started."""
    return Outcome(play, Verdict.INCONCLUSIVE, why=why)


def whole(outcomes: Sequence[Outcome]) -> str:
    """The suite's verdict, with the expected failures of all its runs."""
    return badge(worst(outcomes).value, sum(o.document.expected_failures for o in outcomes if o.document))


def worst(outcomes: Sequence[Outcome]) -> Verdict:
    return Verdict.worst(o.verdict for o in outcomes)
