"""Reports: honest numbers, nothing of an answer read as markup, the same bytes each time."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from markupsafe import escape

from chaos.errors import ChaosError
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Event, Finding, Verdict
from chaos.record.evidence import LIMIT, cite, quote
from chaos.record.journal import Journal
from chaos.report import answers, label, terminal, words, write_all
from chaos.report.bins import bins
from chaos.report.charts.facts import picture, returns
from chaos.report.formats import html, junit, markdown
from tests.messages import Says
from tests.unit.histories import BLOW, END, check, every, incident, journal, op, outage, readback, send

NASTY = '<script>alert("1")</script>|*x*`'


def bad() -> tuple[Journal, Judgement]:
    """Text gone for three seconds with a known gap, a lost write, and a journey with a nasty name."""
    nasty = [op(2.0 + k / 100, "info", NASTY, error=NASTY + "\x00") for k in range(30)]
    ops = [*outage(1, 4), *nasty, *every(0.25, -10, 20, journey="bank")]
    checks = (
        check("recovery", xfail="no failover", journey="text", within=2.0),
        check("availability", journey=NASTY, at_least=0.5),
        check("delivery"),
    )
    j = journal([*ops, send(5, "a"), readback("u1", [])], checks=checks)
    return j, judge(j, "runs/x/1")


def test_a_known_gap_is_skipped_in_junit_and_a_failure_is_a_failure() -> None:
    """Neither green nor red: build servers count skipped ones apart."""
    suite = ET.fromstring(junit.render(*bad()))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("6", "2", "1")
    skipped = suite.find(".//testcase[@name='recovery text']/skipped")
    assert skipped is not None and "expected failure: no failover" in str(skipped.get("message"))


@pytest.mark.parametrize(
    ("argv", "stack"),
    [
        (["run", "x", "--stack", "shop/compose.yaml"], ["shop/compose.yaml"]),
        (["run", "x", "--stack=a b/compose.yaml"], ["a b/compose.yaml"]),
        (["run", "x", "--stack", "docker-compose.yml"], []),
        (["run", "x"], []),
    ],
)
def test_the_command_that_plays_it_again_names_the_stack(argv: list[str], stack: list[str]) -> None:
    """Where it was another than the one that is taken without a word."""
    words_ = shlex.split(words.again(replace(journal([]), env={"argv": argv})))
    assert [after for before, after in pairwise(words_) if before == "--stack"] == stack


def test_nothing_a_system_answers_becomes_markup() -> None:
    """A journey's name and an error's words come from outside."""
    j, found = bad()
    assert NASTY not in html.render(j, found) and 'alert("1")' not in html.render(j, found)
    assert html.render(j, found).count("<script>") == 1  # its own
    assert "<script>" not in re.sub(r"`[^`]*`", "", markdown.render(j, found))
    assert '&lt;script>alert("1")&lt;/script>\\|\\*x\\*' in markdown.render(j, found)
    ET.fromstring(junit.render(j, found))


def test_the_page_asks_nobody_for_anything() -> None:
    """One file: no address, no style, script or picture from elsewhere; links lead into the page itself."""

    class Seen(HTMLParser):
        tags: set[str] = set()  # noqa: RUF012  # one parser, one page

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.add(tag)
            assert not {"src", "srcset", "xlink:href"} & {name for name, _ in attrs}, (tag, attrs)
            assert all(str(value).startswith(("#", "data:,")) for name, value in attrs if name == "href"), attrs

    page = html.render(*bad())
    parser = Seen()
    parser.feed(page)
    assert "svg" in parser.tags and not {"img", "iframe", "object", "embed"} & parser.tags
    asking = ("http:", "https:", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "import(", "sendBeacon")
    assert not [word for word in asking if word in page]


def sections(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", page)


def test_the_page_answers_in_the_order_people_ask() -> None:
    """Verdict and claim, who, what and how long, before any chart."""
    page = html.render(*bad())
    order = ["<h1>x</h1>", ">FAIL</span>", "nobody notices", "Who was hurt?", "What was lost?", "How long?", "<svg"]
    places = [page.index(words) for words in order]
    assert places == sorted(places)
    assert sections(page)[3:] == ["Over time", "Findings and their evidence", "Nodes", "Figures", "Repeat it"]


def test_three_questions_are_answered_in_figures(says: Says) -> None:
    """Hurt, lost and away; and when nobody was, that."""
    who, what, long = answers.answers(*bad())
    assert who.bad and what.bad and long.bad
    for answer in (who, what, long):
        says(f"{answer.answer}\n{answer.more}")
    used = every(0.25, -10, 20)
    for ops, bad_ones in (
        ([*used, send(5, "a"), readback("u1", ["a"])], []),
        ([], None),
        (used, []),
        ([*used, send(5, "a")], [1]),
    ):
        found = answers.answers(journal(ops), judge(journal(ops)))
        assert bad_ones is None or [n for n, a in enumerate(found) if a.bad] == bad_ones
        says("\n".join(a.answer for a in found))


def test_the_page_shows_the_evidence_of_what_failed() -> None:
    """The lines themselves, lying open; of what passed they are folded away."""
    j, found = bad()
    page = html.render(j, found)
    convicted = next(f for f in found.findings if f.check.startswith("delivery"))
    assert "<details open>" in page
    assert str(escape(words.line(convicted.evidence[0], quote(j, convicted.evidence[0])))) in page


def test_facts_lie_where_the_incident_had_them() -> None:
    """A return fraction becomes a second of this run; a figure is drawn beside its measurement, words are not."""
    facts = incident({"text_return_fraction": {"use": "predict", "value": [0.1, 0.2]}})
    j = journal(outage(0, 4), scale=3600.0, incident=facts)
    assert returns(j, judge(j)) == {"text": (10.0, 20.0)}
    (row,) = judge(j).facts
    drawn, changed = picture(row), msgspec.structs.replace
    assert drawn is not None and drawn.fact == (0.1, 0.2) and "<circle" in drawn.svg()
    assert picture(changed(row, fact=True)) is None and picture(changed(row, measured=None)) is None


def test_every_chart_is_on_the_page_when_there_is_something_to_draw() -> None:
    """Success, latency, nodes that served, lanes; probes where something was sampled."""
    j, found = bad()
    names = re.findall(r'role="img" aria-label="(.*?)"', html.render(j, found))
    assert names == ["Success per journey over time", "Latency per journey over time", "Nodes that served over time",
                     "Each node&#39;s state over time"]  # fmt: skip
    sampled = (Event(1.0, "probe.sample", "staleness", {"seconds": 2.5}), Event(2.0, "probe.sample", "s", {"value": 1}))
    page = html.render(replace(j, events=(*j.events, *sampled)), found)
    assert "Probes over time" in page and ">staleness seco<" in page


def test_what_people_saw_and_reported_is_drawn() -> None:
    """A strip for each journey that tells the age of what it shows; none where nobody does."""
    j = journal([*every(0.25, -10, 0, age=0.5), *every(0.25, 0, 20, age=4.0), *every(0.5, -10, 20, journey="bank")])
    page = html.render(j, judge(j))
    assert "What people saw and reported over time" in page and ">text age<" in page and ">4.00 s<" in page
    assert "bank age" not in page and page.count('class="band" x=') > 100
    assert "What people saw" not in html.render(*bad())


def test_a_large_run_stays_below_two_megabytes() -> None:
    """Two hundred nodes that all fall, forty journeys, ten thousand operations."""
    nodes = tuple({"name": f"n{k}", "component": "c", "zone": "abc"[k % 3], "owner": "o"} for k in range(200))
    names = [n["name"] for n in nodes]
    events = [Event(0.0, kind, "blow", {"nodes": names}) for kind in ("fault.inject", "fault.active")]
    events += [Event(0.1, "node.down", n) for n in names] + [Event(5.0, "fault.heal", "blow", {"nodes": names})]
    events += [Event(6.0 + k / 100, "node.up", n) for k, n in enumerate(names)]
    ops = [op(-10 + k / 340, "ok" if k % 3 else "fail", f"journey-{k % 40}") for k in range(10_000)]
    j = journal(ops, events, nodes=nodes)
    assert len(html.render(j, judge(j)).encode()) < 2_000_000


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_terminal_keeps_its_width_and_says_the_command_last(width: int, says: Says) -> None:
    """Long names are folded; without colour there is no escape sequence."""
    text = terminal.render(*bad(), width=width, color=False)
    assert "\x1b" not in text and text.splitlines()[-1].startswith("Again   chaos run x --seed 1 ")
    says(text.splitlines()[0])
    tables = [line for line in text.splitlines() if not line.startswith(("Report", "Again"))]
    assert max(map(len, tables)) <= width


def test_the_terminal_has_colours_where_they_are_wanted() -> None:
    """The same words either way."""
    assert "\x1b[" in terminal.render(*bad(), width=100, color=True)


def test_users_losses_are_told_in_incident_time_and_run_time(says: Says) -> None:
    """The most used journeys first, then what was not touched."""
    facts = incident({})
    j = journal([*outage(0, 9.5, step=0.05), *every(0.25, -10, 20, journey="bank")], scale=3600.0, incident=facts)
    says("\n".join(words.lost(j, judge(j))))
    j = journal([*every(0.25, -10, 20), send(5, "a")])
    says(words.lost(j, judge(j))[-1])


def test_a_journey_that_never_came_back_is_said_first(says: Says) -> None:
    """Before one with more users that did; and one that failed in part was not gone."""
    half = [op(k / 8, "ok" if k % 2 else "info") for k in range(24)]
    j = journal([*half, *every(0.25, 3, 20), *every(0.5, 5, 20, "fail", journey="mail")])
    first, second, *_ = words.lost(j, judge(j))
    assert first.startswith("Mail ") and second.startswith("Text ")
    says(f"{first}\n{second}")


def test_what_the_read_back_showed_is_said_in_one_sentence(says: Says) -> None:
    """Lost, there though refused, twice, and not readable, each with its number."""
    ops = [send(-1, "a"), send(1, "b", "fail"), send(2, "c"), send(3, "d", user="u2")]
    j = journal([*ops, readback("u1", ["b", "c", "c"])])
    says(words.lost(j, judge(j))[-1])


@pytest.mark.parametrize("count", [1, 7, 24, 32, 240])
def test_no_bin_holds_operations_of_both_sides_of_the_first_blow(count: int) -> None:
    """Bins cover the whole span in order, and each operation stands in the one it was meant to start in."""
    j = journal([op(-11), *outage(0, 4)])
    found = bins(j, "text", count)
    assert (found[0].start, found[-1].end) == (-10.0, 19.75)
    assert all(left.end == right.start for left, right in pairwise(found))
    assert sum(b.n for b in found) == 120
    assert {b.n - b.ok for b in found if b.end <= 0.0} <= {0}
    assert sum(b.fail for b in found if 0.0 <= b.start < 4.0) == 16


def test_percentages_never_round_a_loss_away() -> None:
    """Nor a survivor."""
    shares = [0.0, 0.00001, 0.5, 0.99999, 1.0, None]
    assert [words.percent(x) for x in shares] == ["0.0%", "0.1%", "50.0%", "99.9%", "100.0%", "-"]


def test_every_verdict_has_its_words_everywhere() -> None:
    """Each renders, with and without evidence."""
    j, found = bad()
    for verdict in Verdict:
        one = replace(found, verdict=verdict, findings=(Finding("run", verdict, "why", ("journal:1", "ops:1")),))
        for text in (terminal.render(j, one), markdown.render(j, one), html.render(j, one), junit.render(j, one)):
            assert verdict.value in text


def test_a_journal_with_nothing_in_it_has_reports_too(says: Says) -> None:
    """A run that ended before it began still ends with words."""
    j = Journal(journal([]).plan, (), ())
    found = judge(j)
    says(terminal.render(j, found, width=100, color=False))
    assert html.render(j, found) and markdown.render(j, found) and junit.render(j, found)


def test_reports_are_written_and_built_again_to_the_same_bytes(tmp_path: Path) -> None:
    """`chaos report RUN` on another day."""
    run = tmp_path / "zone-fire" / "20260101T000000Z-s7"
    run.mkdir(parents=True)
    j, found = bad()
    first = {name: path.read_bytes() for name, path in write_all(run, j, replace(found, run="")).items()}
    again = {name: path.read_bytes() for name, path in write_all(run, j, replace(judge(j), run="")).items()}
    assert first == again
    assert list(first) == ["findings.json", "report.md", "junit.xml", "report.html"]
    assert label(run).encode() in first["findings.json"]


def test_a_report_that_cannot_be_written_says_what_to_do(tmp_path: Path, says: Says) -> None:
    """The run's folder is gone, or the disk is full."""
    with says.raises(ChaosError):
        write_all(tmp_path / "gone", *bad())


def test_evidence_is_capped_and_can_be_looked_up() -> None:
    """The first lines in their order, journal before operations."""
    j, _ = bad()
    names = cite(ops=range(500, 1, -1), journal=[2])
    assert (len(names), names[:2]) == (LIMIT, ("journal:2", "ops:2"))
    assert (quote(j, "ops:2"), quote(j, "journal:2")) == (j.ops[1], j.events[1])
    with pytest.raises(AssertionError):
        quote(j, "ops:99999")


def test_what_the_faults_did_stands_in_every_report_for_people() -> None:
    """10 ms, 90 ms, 10 ms beside each other; a journal without such figures has no empty table."""
    told = [("before", -2.0, 10.0), ("during", 0.2, 90.0), ("after", 10.1, 10.0)]
    vitals = [Event(t, "vitals", "blow", {"when": when, "figures": {"round_trip_ms": ms}}) for when, t, ms in told]
    j = journal(every(0.25, -10, 20), [*BLOW, *vitals, *END])
    found = judge(j, "runs/x/1")
    assert "| blow | round trip ms | 10 | 90 | 10 |" in markdown.render(j, found)
    assert re.search(r"blow +round trip ms +10 +90 +10\n", terminal.render(j, found))
    assert "<td>round trip ms</td><td>10</td><td>90</td><td>10</td>" in html.render(j, found)
    bare = journal(every(0.25, -10, 20))
    pages = [report.render(bare, judge(bare)) for report in (markdown, terminal, html)]
    assert not any("What the faults did" in page for page in pages)
