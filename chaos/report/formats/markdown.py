"""report.md: the judgement for a pull request or a wiki."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.judge.judgement import Judgement
from chaos.model import Finding, Verdict
from chaos.record.evidence import quote
from chaos.record.journal import Journal
from chaos.report import tables, words
from chaos.report.format import Report
from chaos.report.tables import Table
from chaos.safe import code, markdown

QUOTED = 5  # lines of evidence shown for each finding; findings.json has the rest


@final
@dataclass(frozen=True)
class Markdown(Report):
    file: ClassVar = "report.md"
    kind: ClassVar = "text/plain; charset=utf-8"
    place: ClassVar = 2

    def render(self, journal: Journal, judgement: Judgement) -> str:
        return render(journal, judgement)


def render(journal: Journal, judgement: Judgement) -> str:
    p, meaning = journal.plan, markdown(words.meaning(journal, judgement))
    played = f"Target {markdown(p.target)}, {markdown(words.settings(journal))}{_scale(p.scale)}"
    parts = [
        f"# {markdown(p.experiment)}: {judgement.badge}",
        f"> {markdown(words.claim(journal, judgement))}",
        f"Verdict **{judgement.badge}** (exit {judgement.exit_code}): {meaning}.",
        f"{played}. Run {code(judgement.run or p.experiment)}.",
        "## What users lost" if p.load.present else "## What probes found",
        _list(words.lost(journal, judgement)),
        *(_table(tables.journeys(journal, judgement)) if p.load.present else []),
    ]
    if judgement.measures.probe_availability:
        parts += _table(tables.probes(journal, judgement))
    if judgement.facts:
        parts += _table(tables.facts(journal, judgement))
    if judgement.measures.reports:
        parts += _table(tables.reported(journal, judgement))
        parts += _table(tables.beside(journal, judgement))
    parts += ["## Checks", "\n".join(_check(journal, f) for f in judgement.findings)]
    if p.left_out:
        parts += ["Left out: " + markdown("; ".join(p.left_out)) + "."]
    if judgement.measures.delivery:
        parts += _table(tables.delivery(journal, judgement))
    if p.load.present:
        parts += _table(tables.latency(journal, judgement))
    parts += _table(tables.steps(journal, judgement))
    if (more := tables.added(journal, judgement)).rows:
        parts += _table(more)
    if (vitals := tables.vitals(journal)).rows:
        parts += _table(vitals)
    parts += [f"Play it again: {code(words.again(journal))}. Seed {p.seed}."]
    return "\n\n".join(parts) + "\n"


def _scale(scale: float) -> str:
    return "" if scale == 1 else f"; one second of the run is {words.incident_time(1, scale)} of the incident"


def _check(journal: Journal, finding: Finding) -> str:
    gap = f" *Expected failure: {markdown(finding.xfail)}.*" if finding.xfail else ""
    said = f"- **{words.outcome(finding)}** {markdown(finding.check)}: {markdown(finding.summary)}.{gap}"
    if finding.verdict is Verdict.PASS:
        return said
    quoted = [f"  - {code(words.line(name, quote(journal, name)))}" for name in finding.evidence[:QUOTED]]
    more = len(finding.evidence) - QUOTED
    return "\n".join([said, *quoted, *([f"  - and {more} more in findings.json"] if more > 0 else [])])


def _table(table: Table) -> list[str]:
    rows = [table.head, tuple("---" for _ in table.head), *table.rows]
    body = "\n".join("| " + " | ".join(markdown(c) for c in row) + " |" for row in rows)
    return [f"## {markdown(table.title)}", body, *([markdown(table.note)] if table.note else [])]


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {markdown(x)}" for x in items)
