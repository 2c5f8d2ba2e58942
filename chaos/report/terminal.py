"""The end of `chaos run`: a summary in a hundred columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos.judge.judgement import Judgement
from chaos.judge.measures.answers import tolerant
from chaos.model import Finding, Verdict
from chaos.record.findings import FactRow
from chaos.record.journal import Journal
from chaos.report import tables, words
from chaos.report.bins import answered, bins, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BARS = "▁▂▃▄▅▆▇█"
STRIP = 32  # characters of a journey's strip

STYLE = {
    "PASS": "bold green", "XPASS": "green", "XFAIL": "yellow", "INCONCLUSIVE": "bold yellow",
    "FAIL": "bold red", "ERROR": "bold magenta", "DIRTY": "bold magenta",
    "as predicted": "green", "untouched": "green", "reproduced": "cyan", "MISSED": "bold red",
    "NOT reproduced": "yellow",
}  # fmt: skip


def render(journal: Journal, judgement: Judgement, *, width: int = 100, color: bool = False) -> str:
    """Text of at most `width` columns, with colours for a terminal or without any for a pipe."""
    from chaos.report.sheet import Sheet

    console = Sheet(min(width, 100), color)
    interrupted = words.interrupted(journal)
    if not interrupted:
        title = "what users lost" if journal.plan.load.present else "what probes found"
        _section(console, f"{journal.plan.experiment}: {title}", words.lost(journal, judgement))
    _verdict(console, journal, judgement)
    if interrupted:
        _section(
            console, "Interrupted", ["The journal is complete up to that point. The run was not executed as planned."]
        )
    elif journal.journeys or (not journal.plan.load.present and any(journal.of("load.start"))):
        if journal.journeys:
            console.print(_journeys(journal, judgement))
        if journal.journeys and judgement.measures.probe_availability:
            console.print()
        if judgement.measures.probe_availability:
            console.print(_probes(journal, judgement))
        _beside_the_incident(console, judgement)
        console.print(_checks(judgement))
        for found in (tables.added(journal, judgement), tables.vitals(journal)):
            if found.rows:
                console.print(_plain(found))
    else:  # it ended before there were users, so that is all there is to report
        worst = [f for f in judgement.findings if f.verdict is judgement.verdict]
        _section(console, "Why", [f.summary for f in worst if f.check == "run"] or [f.summary for f in worst])
    if not interrupted:
        _section(console, "Expected failures", list(words.expected_failures(judgement)))
    _section(console, "Left out", list(journal.plan.left_out))
    if judgement.run:
        console.print(f"Report  {judgement.run}/report.html", soft_wrap=True)
    console.print(f"Seed    {journal.plan.seed}")
    console.print(f"Again   {words.again(journal)}", soft_wrap=True)
    return console.written()


def _beside_the_incident(console: Console, judgement: Judgement) -> None:
    if judgement.facts:
        console.print(_facts(judgement))
        inputs = ", ".join(_name(r) for r in judgement.facts if _is_input(r))
        if inputs:
            console.print(f"Inputs, not measured: {inputs}.", style="dim")


def _verdict(console: Console, journal: Journal, judgement: Judgement) -> None:
    from rich.text import Text

    p, verdict = journal.plan, judgement.verdict
    text = Text(f"{judgement.badge}  ", style=STYLE[judgement.color])
    said = f"{words.meaning(journal, judgement)} (exit {verdict.exit_code}; {p.target}, {p.posture or 'no posture'})."
    text.append(said, style="bold")
    console.print(text)
    console.print(words.claim(journal, judgement), style="dim")
    console.print()


def _section(console: Console, title: str, lines: list[str]) -> None:
    from rich.padding import Padding

    if lines:
        console.print(title, style="bold")
        for line in lines:
            console.print(Padding(line, (0, 0, 0, 2)))
        console.print()


def _table(*columns: str, title: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        right = name in {"before", "during", "after", "RTO", "of it"}
        table.add_column(name, justify="right" if right else "left", header_style="dim", no_wrap=name != "note")
    return table


def _journeys(journal: Journal, judgement: Judgement) -> Table:
    m, scale = judgement.measures, journal.plan.scale
    begin, end = span(journal)
    table = _table("journey", "before", "during", "after", "RTO", f"{begin:.0f} s to {end:.0f} s", title="Success")
    for j in words.most_used(judgement):
        a = m.availability[j]
        rto = m.rto_s.get(j, "-")
        away = rto if isinstance(rto, str) else "never" if rto is None else f"{rto:.2f} s" if rto else "0"
        if isinstance(rto, float) and rto and scale != 1:
            away = f"{words.incident_time(rto, scale)} · {away}"
        table.add_row(j, *(words.percent(share) for share in (a.before, a.during, a.after)), away, _strip(journal, j))
    table.caption, table.caption_justify = "A full bar is 100 % ok, · = no traffic.", "left"
    return table


def _probes(journal: Journal, judgement: Judgement) -> Table:
    m, (begin, end) = judgement.measures, span(journal)
    table = _table("probe", "before", "during", "after", "RTO", f"{begin:.0f} s to {end:.0f} s", title="Probes")
    for spec in tolerant(journal):
        a = m.probe_availability[spec.name]
        away = tables.away(m.probe_rto_s, spec.name, journal.plan.scale)
        strip = _bars([b.success for b in answered(journal, spec, STRIP)])
        table.add_row(spec.name, *(words.percent(share) for share in (a.before, a.during, a.after)), away, strip)
    table.caption, table.caption_justify = "A full bar is 100 % good, · = not asked.", "left"
    return table


def _strip(journal: Journal, journey: str) -> str:
    return _bars([b.success for b in bins(journal, journey, STRIP)])


def _bars(shares: Sequence[float | None]) -> str:
    # Only 100 % is a full bar: a single failed operation must be visible.
    return "".join("·" if s is None else BARS[-1] if s == 1 else BARS[min(int(s * 7), 6)] for s in shares)


def _facts(judgement: Judgement) -> Table:
    from rich.text import Text

    table = _table("fact of the incident", "fact", "this run", "so", title="\nThe incident beside this run")
    table.columns[1].no_wrap = table.columns[2].no_wrap = False
    for row in judgement.facts:
        if _is_input(row):
            continue
        stands = words.standing(row)
        so = Text(stands, style=STYLE.get(stands, ""))
        table.add_row(_name(row), words.value(row.fact), _measured(row), so)
    return table


def _plain(found: tables.Table) -> Table:
    table = _table(*found.head, title=found.title)
    for row in found.rows:
        table.add_row(*row)
    table.add_row("")
    return table


def _measured(row: FactRow) -> str:
    if isinstance(row.measured, list):  # an order: the names are enough here
        return " < ".join(str(name) for name, _ in row.measured)
    note = f" ({row.note})" if row.note else ""
    return words.value(row.measured) + note


def _name(row: FactRow) -> str:
    return row.name.replace("_", " ")


def _is_input(row: FactRow) -> bool:
    return row.shown and row.use == "calibrate" and row.holds is None


def _checks(judgement: Judgement) -> Table:
    from rich.text import Text

    table = _table("", "check", "note", title="\nChecks")
    table.show_header = False
    table.columns[1].no_wrap, table.columns[1].max_width = False, 26
    for finding in judgement.findings:
        said = words.outcome(finding)
        table.add_row(Text(said, style=STYLE[said]), finding.check, _brief(finding))
    table.add_row("")
    return table


def _brief(finding: Finding) -> str:
    where = f" [{finding.evidence[0]}, …]" if finding.evidence and finding.verdict is not Verdict.PASS else ""
    return finding.summary + where
