"""report.md: the judgement for a pull request or a wiki."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.evidence import quote
from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.model import Finding, Verdict
from chaos.reports import tables, words
from chaos.reports.tables import Table

QUOTED = 5  # lines of evidence shown for each finding; findings.json has the rest


def render(journal: Journal, judgement: Judgement) -> str:
    p = journal.plan
    parts = [
        f"# {p.experiment}: {judgement.verdict.value}",
        f"> {words.claim(journal, judgement)}",
        f"Verdict **{judgement.verdict.value}** (exit {judgement.exit_code}): {words.meaning(journal, judgement)}.",
        f"Target {p.target}, {words.settings(journal)}{_scale(p.scale)}. Run `{judgement.run or p.experiment}`.",
        "## What users lost",
        _list(words.lost(journal, judgement)),
        *_table(tables.journeys(journal, judgement)),
    ]
    if judgement.targets:
        parts += _table(tables.targets(journal, judgement))
    if "reports" in judgement.measures:
        parts += _table(tables.reported(journal, judgement))
        parts += _table(tables.beside(journal, judgement))
    parts += ["## Checks", "\n".join(_check(journal, f) for f in judgement.findings)]
    if p.left_out:
        parts += ["Left out: " + "; ".join(p.left_out) + "."]
    if judgement.measures["delivery"]:
        parts += _table(tables.delivery(journal, judgement))
    parts += _table(tables.latency(journal, judgement))
    parts += _table(tables.steps(journal, judgement))
    if (vitals := tables.vitals(journal)).rows:
        parts += _table(vitals)
    parts += [f"Play it again: `{words.again(journal)}`. Seed {p.seed}."]
    return "\n\n".join(parts) + "\n"


def _scale(scale: float) -> str:
    return "" if scale == 1 else f"; one second of the run is {words.incident_time(1, scale)} of the incident"


def _check(journal: Journal, finding: Finding) -> str:
    gap = f" *Known gap: {_plain(finding.known_gap)}.*" if finding.known_gap else ""
    said = f"- **{words.outcome(finding)}** {_plain(finding.check)}: {_plain(finding.summary)}.{gap}"
    if finding.verdict is Verdict.PASS:
        return said
    quoted = [f"  - {_code(words.line(name, quote(journal, name)))}" for name in finding.evidence[:QUOTED]]
    more = len(finding.evidence) - QUOTED
    return "\n".join([said, *quoted, *([f"  - and {more} more in findings.json"] if more > 0 else [])])


def _table(table: Table) -> list[str]:
    rows = [table.head, tuple("---" for _ in table.head), *table.rows]
    body = "\n".join("| " + " | ".join(_plain(c) for c in row) + " |" for row in rows)
    return [f"## {table.title}", body, *([table.note] if table.note else [])]


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(x)}" for x in items)


def _code(text: str) -> str:
    """In a code span nothing is markup but its own end."""
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"


def _plain(text: str) -> str:
    """Nothing of a name or an answer may be read as a table or as markup."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("\n", " ")
