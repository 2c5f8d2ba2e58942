"""Reports of a run without a load: probes stand where journeys stand."""

from __future__ import annotations

import re

from chaos.model import Event
from chaos.observe.live.screen import Moment
from chaos.observe.live.screen import render as screen
from chaos.observe.live.state import Live
from chaos.record import findings, history
from chaos.report import tables, terminal, words
from chaos.report.answers import answers
from chaos.report.bins import answered
from chaos.report.charts.probes import probes
from chaos.report.comparison import Arm, document
from chaos.report.comparison import terminal as compared
from chaos.report.formats import html, junit, markdown
from chaos.report.trend.series import HEADLINES
from tests.golden import make
from tests.messages import Says

NAME = "front-kill-probed"
RUN, JUDGED = make.load(NAME), make.verdict(NAME)


def test_every_report_shows_each_probe_with_its_availability_and_rto() -> None:
    """Terminal, Markdown and HTML; and no table or chart of users, who were nowhere."""
    row = ("front", "100.0%", "4.8%", "97.9%", "5.25 s", "104", "0", "0.25 s")
    assert tables.probes(RUN, JUDGED).rows[0] == row
    said = terminal.render(RUN, JUDGED)
    assert "front   100.0%    4.8%   97.9%  5.25 s" in said and "Success" not in said
    page, text = html.render(RUN, JUDGED), markdown.render(RUN, JUDGED)
    assert "Answers to probes" in page and "| front | 100.0% |" in text
    assert not [word for word in ("per journey", "Latency", "Load:") if word in page]
    assert "Latency" not in text and "by journey" not in text


def test_the_three_questions_are_answered_by_probes(says: Says) -> None:
    """What was hurt, what was lost, and how long."""
    for answer in answers(RUN, JUDGED):
        says(f"{answer.question} {answer.answer}: {' '.join(answer.more)}")
    says("\n".join(words.lost(RUN, JUDGED)))


def test_a_strip_has_a_gap_only_where_answers_are_missing() -> None:
    """A bin between two answers is none; what could not be asked is."""
    specs = {p.name: p for p in RUN.plan.probes}
    assert all(b.n for b in answered(RUN, specs["port"], 200))
    gap = [b for b in answered(RUN, specs["quorum"], 200) if not b.n]
    assert not gap  # one answer alone is missing
    few = make.load(NAME)
    lost = tuple(e for e in few.events if e.subject != "quorum" or not 3 < e.t < 9)
    gap = [b for b in answered(type(few)(few.plan, lost, ()), specs["quorum"], 26) if not b.n]
    assert gap and all(b.start > 2 and b.end < 11 for b in gap)


def test_comparisons_trends_and_lists_have_the_figures_of_probes() -> None:
    """Under the names that findings.json has."""
    found = document([Arm(RUN, JUDGED), Arm(RUN, JUDGED)])
    assert found["journeys"] == ["front", "port", "quorum"] and found["runs"][0]["rto_s"]["front"] == 5.25
    assert "no load" in compared.render(found)
    assert {"probe_rto_s.*", "probe_availability.*.during"} <= set(HEADLINES)
    figures = findings.read(make.HERE / NAME / "findings.json")
    assert figures and figures.figures["probe_rto_s.front"] == 5.25
    assert list(history.words(figures.figures)) == ["front away 5.25 s"]
    assert 'name="RTO of probe front, s" value="5.25"' in junit.render(RUN, JUDGED)


def test_the_live_view_has_a_line_for_each_probe() -> None:
    """Its recent answers, as journeys have them."""
    live = Live(RUN.plan)
    for event in RUN.events:
        if event.t <= 4:
            live.tell(event)
    live.tell(Event(4.0, "probe.sample", "machine", {"stolen": 0.1}))
    assert sorted(live.probes) == ["front", "port", "quorum"]
    lines = [line.plain for line in screen(live, Moment(4.0), 100, 40)]
    (front,) = [line for line in lines if line.split()[:1] == ["front"]]
    assert "45.0%" in front and any(line.split()[:1] == ["probes"] for line in lines)


def test_a_line_over_time_never_turns_back() -> None:
    """Answers that overlap are journalled in the order in which they came."""
    late = tuple(reversed(RUN.events))
    drawn = str(probes(type(RUN)(RUN.plan, late, ()), JUDGED))
    lines = [[float(p.split(",")[0]) for p in line.split()] for line in re.findall(r'points="([^"]*)"', drawn)]
    assert len(lines) > 1 and all(line == sorted(line) for line in lines)
