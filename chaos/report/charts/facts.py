"""The incident's facts on the scales of this run, for charts that compare both."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup

from chaos.judge import beside
from chaos.judge.judgement import Judgement
from chaos.record.findings import FactRow
from chaos.record.journal import Journal

WIDE, HIGH = 150, 16  # pixels of a fact and its measurement


def returns(journal: Journal, judgement: Judgement) -> dict[str, tuple[float, float]]:
    """By journey, the interval of this run in which the incident's users had it back, if the dossier gives it."""
    length, found = beside.length(journal.plan), {}
    for row in judgement.facts:
        journey = re.fullmatch(r"(?:counterfactual_)?(\w+)_return_fraction", row.name)
        if journey and length and row.shown and (span := _span(row.fact)):
            low, high = (journal.plan.onset + f * length for f in span)
            found[journey[1]] = (low, high)
    return found


def servers_back(journal: Journal, judgement: Judgement) -> list[tuple[float, float, float]]:
    """(second of this run, lower and upper share of the incident's servers that were back by then)."""
    length, found = beside.length(journal.plan), []
    for row in judgement.facts:
        at = re.fullmatch(r"servers_back_at_f_([\d.]+)", row.name)
        if at and length and (span := _span(row.fact)):
            found.append((journal.plan.onset + float(at[1]) * length, *span))
    return sorted(found)


@dataclass(frozen=True)
class Picture:
    """A fact in the middle of a scale from 0 to twice its value, and the measurement on that scale."""

    fact: tuple[float, float]
    measured: float

    def svg(self) -> Markup:
        most = sum(self.fact) or 2 * self.measured or 1.0
        low, high, at = (min(v / most, 1.0) * WIDE for v in (*self.fact, self.measured))
        return Markup(
            f'<svg class="fact-scale" viewBox="0 0 {WIDE} {HIGH}" aria-hidden="true">'
            f'<path class="grid" d="M0 8H{WIDE}"/>'
            f'<rect class="fact" x="{max(low - 1.5, 0):.1f}" y="3" width="{high - low + 3:.1f}" height="10"/>'
            f'<circle class="measured" cx="{min(max(at, 4), WIDE - 4):.1f}" cy="8" r="4"/></svg>'
        )


def picture(row: FactRow) -> Picture | None:
    """None if the fact or the measurement is not a number."""
    span = _span(row.fact)
    if span is None or not row.shown or isinstance(row.measured, bool) or not isinstance(row.measured, int | float):
        return None
    return Picture(span, float(row.measured)) if min(span[0], row.measured) >= 0 else None


def _span(fact: object) -> tuple[float, float] | None:
    if isinstance(fact, bool):
        return None
    if isinstance(fact, int | float):
        return float(fact), float(fact)
    if isinstance(fact, list | tuple) and len(fact) == 2:
        low, high = fact
        if isinstance(low, int | float) and isinstance(high, int | float):
            return float(low), float(high)
    return None
