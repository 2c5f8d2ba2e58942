"""Reports: honest numbers, nothing of an answer read as markup, the same bytes each time."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from chaos.errors import ChaosError
from chaos.evidence import LIMIT, cite, quote
from chaos.journal import Journal
from chaos.judge import judge
from chaos.judgement import Judgement
from chaos.model import Finding, Verdict
from chaos.reports import html, junit, label, markdown, terminal, words, write_all
from chaos.reports.bins import bins
from tests.unit.histories import check, every, incident, journal, op, outage, readback, send

NASTY = '<script>alert("1")</script>|*x*`'


def bad() -> tuple[Journal, Judgement]:
    """Text gone for three seconds with a known gap, a lost write, and a journey with a nasty name."""
    ops = [*outage(1, 4), op(2.0, "info", NASTY, error=NASTY + "\x00"), *every(0.25, -10, 20, journey="bank")]
    checks = (
        check("recovery", known_gap="no failover", journey="text", within=2.0),
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
    assert skipped is not None and "known gap: no failover" in str(skipped.get("message"))


def test_nothing_a_system_answers_becomes_markup() -> None:
    """A journey's name and an error's words come from outside."""
    j, found = bad()
    assert "<script>" not in html.render(j, found)
    assert "<script>" not in re.sub(r"`[^`]*`", "", markdown.render(j, found))
    assert '&lt;script>alert("1")&lt;/script>\\|\\*x\\*' in markdown.render(j, found)
    ET.fromstring(junit.render(j, found))


def test_the_page_asks_nobody_for_anything() -> None:
    """One file: no address, no script, no style or picture from elsewhere."""

    class Seen(HTMLParser):
        tags: set[str] = set()  # noqa: RUF012  # one parser, one page

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.add(tag)
            assert not {"src", "href", "srcset", "xlink:href"} & {name for name, _ in attrs}, (tag, attrs)

    page = html.render(*bad())
    parser = Seen()
    parser.feed(page)
    assert "svg" in parser.tags and not {"script", "link", "img", "iframe"} & parser.tags
    assert "http://" not in page and "https://" not in page and "@import" not in page and "url(" not in page


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_terminal_keeps_its_width_and_says_the_seed_last(width: int) -> None:
    """Long names are folded; without colour there is no escape sequence."""
    text = terminal.render(*bad(), width=width, color=False)
    assert "\x1b" not in text and text.splitlines()[-1] == "Seed    1"
    assert text.splitlines()[0] == "x: what users lost"
    tables = [line for line in text.splitlines() if not line.startswith(("Report", "Again"))]
    assert max(map(len, tables)) <= width


def test_the_terminal_has_colours_where_they_are_wanted() -> None:
    """The same words either way."""
    assert "\x1b[" in terminal.render(*bad(), width=100, color=True)


def test_users_losses_are_told_in_incident_time_and_run_time() -> None:
    """The most used journeys first, then what was not touched."""
    facts = incident({})
    j = journal([*outage(0, 9.5, step=0.05), *every(0.25, -10, 20, journey="bank")], scale=3600.0, incident=facts)
    assert words.lost(j, judge(j)) == [
        "Text was gone for 9 h 30 min of incident time (9.50 s of the run); 190 of 190 operations failed.",
        "Not touched: bank (none of 80 operations failed).",
        "Nobody knows whether writes were lost: nothing was read back.",
    ]


def test_a_journey_that_never_came_back_is_said_first() -> None:
    """Before one with more users that did; and one that failed in part was not gone."""
    half = [op(k / 8, "ok" if k % 2 else "info") for k in range(24)]
    j = journal([*half, *every(0.25, 3, 20), *every(0.5, 5, 20, "fail", journey="mail")])
    first, second, *_ = words.lost(j, judge(j))
    assert first.startswith("Mail never came back: it was gone from 5.00 s to the end of the run; 30 of 30")
    assert second == "Text failed 52.2% of the time for 2.88 s; 12 of 23 operations failed."


def test_what_the_read_back_showed_is_said_in_one_sentence() -> None:
    """Lost, there though refused, twice, and not readable, each with its number."""
    ops = [send(-1, "a"), send(1, "b", "fail"), send(2, "c"), send(3, "d", user="u2")]
    j = journal([*ops, readback("u1", ["b", "c", "c"])])
    assert words.lost(j, judge(j))[-1] == (
        "Lost: 1 of 3 acknowledged writes, the oldest acknowledged 0.99 s before the blow."
        " There although refused: 1. There twice: 1. Could not be read back: 1."
    )


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


def test_a_journal_with_nothing_in_it_has_reports_too() -> None:
    """A run that ended before it began still ends with words."""
    j = Journal(journal([]).plan, (), ())
    found = judge(j)
    assert "No operation was recorded since the first fault." in terminal.render(j, found)
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


def test_a_report_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    """The run's folder is gone, or the disk is full."""
    with pytest.raises(ChaosError, match=r"findings.json: cannot be written .* then `chaos report"):
        write_all(tmp_path / "gone", *bad())


def test_evidence_is_capped_and_can_be_looked_up() -> None:
    """The first lines in their order, journal before operations."""
    j, _ = bad()
    names = cite(ops=range(500, 1, -1), journal=[2])
    assert (len(names), names[:2]) == (LIMIT, ("journal:2", "ops:2"))
    assert (quote(j, "ops:2"), quote(j, "journal:2")) == (j.ops[1], j.events[1])
    with pytest.raises(AssertionError):
        quote(j, "ops:99999")
