"""report.html: one file that asks nobody for anything, for a screen, a phone, a printer and the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chaos.evidence import quote
from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.model import Verdict
from chaos.reports import tables, words

QUOTED = 5  # lines of evidence that are shown at once
VIEWS = 6  # steps and acts that have a button of their own
BEFORE, AFTER = 0.02, 0.1  # of the whole run: what such a button shows


def render(journal: Journal, judgement: Judgement) -> str:
    """The same journal gives the same bytes: no clock, no random ids, nothing of the machine that renders."""
    import jinja2
    from markupsafe import Markup

    from chaos.reports import answers
    from chaos.reports.charts import frame, latency, people, probes, servers, success
    from chaos.reports.page import body, script, style

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    m, axis = judgement.measures, frame.Axis.of(journal)
    facts = tables.targets(journal, judgement)
    return env.from_string(body.BODY).render(
        plan=journal.plan,
        claim=words.claim(journal, judgement),
        style=Markup(style.STYLE),
        script=Markup(script.SCRIPT),
        verdict=judgement.verdict.value,
        exit=judgement.exit_code,
        meaning=words.meaning(journal, judgement),
        second=words.incident_time(1, journal.plan.scale),
        started=journal.env.get("started", ""),
        n=sum(a["n"] for a in m["availability"].values()),
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
        facts=any(r.name.endswith("_return_fraction") and r.shown for r in judgement.targets),
        facts_head=(*facts.head[:-1], "beside each other", facts.head[-1]),
        facts_note=facts.note,
        targets=list(_targets(judgement, facts)),
        journeys=tables.journeys(journal, judgement),
        reported=tables.reported(journal, judgement),
        beside=tables.beside(journal, judgement),
        delivery=tables.delivery(journal, judgement),
        latency=tables.latency(journal, judgement),
        steps=tables.steps(journal, judgement),
        vitals=tables.vitals(journal),
        checks=list(_checks(journal, judgement)),
        radius=m["blast_radius"],
        load=m["load"],
        settings=words.settings(journal),
        run=judgement.run or journal.plan.experiment,
        again=words.again(journal),
    )


def _checks(journal: Journal, judgement: Judgement) -> Iterator[dict[str, Any]]:
    """Evidence of what did not pass lies open: that is what a reader, and a printer, should see."""
    for f in judgement.findings:
        lines = [words.line(name, quote(journal, name)) for name in f.evidence]
        yield {
            "outcome": words.outcome(f),
            "check": f.check,
            "summary": f.summary,
            "known_gap": f.known_gap,
            "open": f.verdict is not Verdict.PASS,
            "count": len(lines),
            "first": lines[:QUOTED],
            "rest": lines[QUOTED:],
        }


def _targets(judgement: Judgement, facts: tables.Table) -> Iterator[dict[str, Any]]:
    from chaos.reports.facts import picture

    for row, cells in zip(judgement.targets, facts.rows, strict=True):
        drawn = picture(row)
        yield {"cells": cells[:-1], "note": cells[-1], "picture": drawn.svg() if drawn else None}


def _views(journal: Journal, begin: float, end: float) -> Iterator[dict[str, Any]]:
    """What a reader is likely to look at more closely: when each step struck, and each operator acted."""
    whole = end - begin
    marks = [(step.at, step.id) for step in journal.plan.steps] + [(act.at, act.id) for act in journal.plan.acts]
    for at, name in sorted(marks)[:VIEWS]:
        start, until = max(begin, at - BEFORE * whole), min(end, at + AFTER * whole)
        yield {"name": name, "start": round(start, 3), "end": round(until, 3)}
