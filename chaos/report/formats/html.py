"""report.html: one self-contained file, for screens, phones, printers and archives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

from chaos import safe
from chaos.judge.judgement import Judgement
from chaos.model import Verdict
from chaos.record.evidence import quote
from chaos.record.journal import Journal
from chaos.report import tables, words
from chaos.report.format import Report

QUOTED = 5  # lines of evidence that are visible at once
VIEWS = 6  # steps and acts that have their own button
BEFORE, AFTER = 0.02, 0.1  # share of the whole run that such a button shows


@final
@dataclass(frozen=True)
class Html(Report):
    file: ClassVar = "report.html"
    kind: ClassVar = "text/html; charset=utf-8"
    place: ClassVar = 4

    def render(self, journal: Journal, judgement: Judgement) -> str:
        return render(journal, judgement)


def render(journal: Journal, judgement: Judgement) -> str:
    """The same journal gives the same bytes: there are no clocks, random ids, or properties of the machine."""
    import jinja2
    from markupsafe import Markup

    from chaos.report import answers
    from chaos.report.charts import answers as asked
    from chaos.report.charts import frame, latency, people, probes, servers, success
    from chaos.report.page import body, script, style

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    m, axis = judgement.measures, frame.Axis.of(journal)
    facts = tables.facts(journal, judgement)
    page = env.from_string(body.BODY).render(
        plan=journal.plan,
        claim=words.claim(journal, judgement),
        style=Markup(style.STYLE),
        script=Markup(script.SCRIPT),
        verdict=judgement.badge,
        color=judgement.color,
        exit=judgement.exit_code,
        meaning=words.meaning(journal, judgement),
        second=words.incident_time(1, journal.plan.scale),
        started=journal.env.get("started", ""),
        n=sum(a.n for a in m.availability.values()),
        answers=answers.answers(journal, judgement),
        lost=words.lost(journal, judgement),
        axis=axis,
        left=frame.LEFT,
        plot=frame.PLOT,
        views=list(_views(journal, axis.begin, axis.end)),
        measures=m,
        success=success.success(journal, judgement),
        latency_chart=latency.latency(journal, judgement),
        servers=servers.servers(journal, judgement),
        lanes=servers.nodes(journal, judgement),
        people=people.people(journal, judgement),
        probes=probes.probes(journal, judgement),
        asked=asked.answers(journal, judgement),
        probed=tables.probes(journal, judgement),
        facts=any(r.name.endswith("_return_fraction") and r.shown for r in judgement.facts),
        facts_head=(*facts.head[:-1], "beside each other", facts.head[-1]),
        facts_note=facts.note,
        beside_facts=list(_facts(judgement, facts)),
        journeys=tables.journeys(journal, judgement),
        reported=tables.reported(journal, judgement),
        beside=tables.beside(journal, judgement),
        delivery=tables.delivery(journal, judgement),
        latency=tables.latency(journal, judgement),
        more=tables.added(journal, judgement),
        steps=tables.steps(journal, judgement),
        vitals=tables.vitals(journal),
        checks=list(_checks(journal, judgement)),
        radius=m.blast_radius,
        load=m.load,
        settings=words.settings(journal),
        run=judgement.run or journal.plan.experiment,
        again=words.again(journal),
    )
    return safe.text(page)


def _checks(journal: Journal, judgement: Judgement) -> Iterator[dict[str, Any]]:
    """The evidence of findings that are not PASS is expanded, so that readers and printers see it."""
    for f in judgement.findings:
        lines = [words.line(name, quote(journal, name)) for name in f.evidence]
        yield {
            "outcome": words.outcome(f),
            "check": f.check,
            "summary": f.summary,
            "xfail": f.xfail,
            "open": f.verdict is not Verdict.PASS,
            "count": len(lines),
            "first": lines[:QUOTED],
            "rest": lines[QUOTED:],
        }


def _facts(judgement: Judgement, facts: tables.Table) -> Iterator[dict[str, Any]]:
    from chaos.report.charts.facts import picture

    for row, cells in zip(judgement.facts, facts.rows, strict=True):
        drawn = picture(row)
        yield {"cells": cells[:-1], "note": cells[-1], "picture": drawn.svg() if drawn else None}


def _views(journal: Journal, begin: float, end: float) -> Iterator[dict[str, Any]]:
    """Likely points of interest: when each step started, and when each operator acted."""
    whole = end - begin
    marks = [(step.at, step.id) for step in journal.plan.steps] + [(act.at, act.id) for act in journal.plan.acts]
    for at, name in sorted(marks)[:VIEWS]:
        start, until = max(begin, at - BEFORE * whole), min(end, at + AFTER * whole)
        yield {"name": name, "start": round(start, 3), "end": round(until, 3)}
