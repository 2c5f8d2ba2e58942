"""report.html: one file that asks nobody for anything, for a screen, a printer and the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chaos.evidence import quote
from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.reports import tables, words


def render(journal: Journal, judgement: Judgement) -> str:
    """The same journal gives the same bytes: no clock, no random ids, nothing of the machine that renders."""
    import jinja2
    from markupsafe import Markup

    from chaos.reports import charts, page

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    m = judgement.measures
    return env.from_string(page.BODY).render(
        plan=journal.plan,
        style=Markup(page.STYLE),
        verdict=judgement.verdict.value,
        exit=judgement.exit_code,
        meaning=words.MEANING[judgement.verdict],
        second=words.incident_time(1, journal.plan.scale),
        started=journal.env.get("started", ""),
        n=sum(a["n"] for a in m["availability"].values()),
        hurt=bool(m["outage"] or m["delivery"].get("lost")),
        lost=words.lost(journal, judgement),
        success=charts.success(journal, judgement),
        latency_chart=charts.latency(journal, judgement),
        journeys=tables.journeys(journal, judgement),
        targets=tables.targets(journal, judgement),
        delivery=tables.delivery(journal, judgement),
        latency=tables.latency(journal, judgement),
        steps=tables.steps(journal, judgement),
        checks=list(_checks(journal, judgement)),
        radius=m["blast_radius"],
        load=m["load"],
        settings=words.settings(journal),
        run=judgement.run or journal.plan.experiment,
        again=words.again(journal),
    )


def _checks(journal: Journal, judgement: Judgement) -> Iterator[dict[str, Any]]:
    for f in judgement.findings:
        yield {
            "outcome": words.outcome(f),
            "check": f.check,
            "summary": f.summary,
            "known_gap": f.known_gap,
            "evidence": [words.line(name, quote(journal, name)) for name in f.evidence],
        }
