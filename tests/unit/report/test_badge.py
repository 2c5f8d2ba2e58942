"""A run that is green because of expected failures says so in its badge, in every report."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from chaos.experiment.suite import Entry, Play
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Verdict, badge
from chaos.record.findings import Document
from chaos.record.history import History
from chaos.record.journal import Journal
from chaos.report import terminal
from chaos.report.comparison import Arm, document
from chaos.report.comparison import page as comparison_page
from chaos.report.comparison import terminal as comparison_terminal
from chaos.report.formats import findings, html, junit, markdown
from chaos.report.site import pages
from chaos.report.suite import junit as suite_junit
from chaos.report.suite import sarif, summary
from chaos.report.suite.outcome import Outcome, outcome
from chaos.run.child import Played
from tests.golden import make
from tests.unit.histories import check, journal, outage

GOLDEN = Path(make.__file__).parent
BADGE = "PASS, 1 expected failure"


class Badges(HTMLParser):
    """The text of each badge on a page, in order, with its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._style: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._style = (given.get("style") or "") if given.get("class") == "badge" else None

    def handle_data(self, data: str) -> None:
        if self._style is not None:
            self.found.append((data, self._style))

    def handle_endtag(self, tag: str) -> None:
        self._style = None


@pytest.fixture(scope="module")
def fire() -> tuple[Journal, Judgement]:
    """87 hours of outage, which one check expects: PASS."""
    return make.load("zone-fire-as-was"), make.verdict("zone-fire-as-was")


@pytest.fixture(scope="module")
def night() -> Outcome:
    run = GOLDEN / "zone-fire-as-was"
    code = json.loads((run / "findings.json").read_text())["exit"]
    return outcome(Play(Entry(experiment="zone-fire", posture="as-was"), 7, 600.0), Played(code, 61.5, run, ()))


@pytest.mark.parametrize(
    ("verdict", "expected", "shown"),
    [("PASS", 0, "PASS"), ("PASS", 1, BADGE), ("PASS", 2, "PASS, 2 expected failures"), ("FAIL", 1, "FAIL"),
     ("running", 0, "running")],
)  # fmt: skip
def test_only_a_pass_forgives(verdict: str, expected: int, shown: str) -> None:
    """Any other verdict stands alone."""
    assert badge(verdict, expected) == shown


def test_a_mark_on_a_check_that_held_is_no_expected_failure() -> None:
    """It holds by chance (`strict: false`): a plain PASS."""
    held = judge(
        journal(outage(1, 2), checks=(check("recovery", xfail="luck", may_hold=True, journey="text", within=4.0),))
    )
    assert (len(held.marked), held.expected_failures, held.badge, held.color) == (1, 0, "PASS", "PASS")


def test_every_report_of_a_run_has_it_beside_the_verdict(fire: tuple[Journal, Judgement]) -> None:
    """The page's badge in the colour of expected failures, heading and verdict of report.md, junit.xml, terminal."""
    assert fire[1].verdict is Verdict.PASS
    text, style = Badges(html.render(*fire)).found[0]
    assert text == BADGE and "XFAIL" in style
    written = markdown.render(*fire)
    assert written.splitlines()[0].endswith(f": {BADGE}") and f"**{BADGE}**" in written
    assert any(line.startswith(f"{BADGE}  ") for line in terminal.render(*fire).splitlines())
    said = {p.get("name"): p.get("value") for p in ET.fromstring(junit.render(*fire)).iter("property")}
    assert (said["verdict"], said["badge"]) == ("PASS", BADGE)


def test_findings_json_counts_them_beside_the_verdict(fire: tuple[Journal, Judgement]) -> None:
    """The verdict stays one word, for programs."""
    found = findings.document(*fire)
    assert (found.verdict, found.expected_failures, found.exit) == ("PASS", 1, 0)


def test_a_suite_has_it_for_the_run_and_for_the_whole(night: Outcome) -> None:
    """summary.md in the heading and the row, junit.xml, SARIF."""
    lines = summary.render("night", "", [night]).splitlines()
    assert lines[0].endswith(BADGE) and any(
        BADGE in line.split(" | ")[1] for line in lines if line.startswith("| zone")
    )
    said = {p.get("name"): p.get("value") for p in ET.fromstring(suite_junit.render("night", [night])).iter("property")}
    assert (said["verdict"], said["badge"]) == ("PASS", BADGE)
    (run,) = json.loads(sarif.render("night", "1.0", [night, night], GOLDEN))["runs"]
    assert run["invocations"][0]["exitCodeDescription"] == "PASS, 2 expected failures"


def test_a_comparison_has_it_in_the_verdict_of_each_run(fire: tuple[Journal, Judgement]) -> None:
    """On the page and on the terminal; the remedied run needs none."""
    other = Arm(make.load("zone-fire-remedied"), make.verdict("zone-fire-remedied"))
    doc = document([Arm(*fire), other])
    assert [run["expected_failures"] for run in doc["runs"]] == [1, 0]
    page = comparison_page.render(doc)
    assert f"<td>{BADGE}</td>" in page and "<td>PASS</td>" in page
    assert "expected failure" in " ".join(comparison_terminal.render(doc).split())


def test_the_list_of_runs_and_serve_have_it(tmp_path: Path) -> None:
    """From the index, which is made of the runs' files."""
    run = tmp_path / "runs" / "zone-fire" / "20260101T000000Z-s7"
    run.mkdir(parents=True)
    for file in ("plan.json", "findings.json"):
        shutil.copy(GOLDEN / "zone-fire-as-was" / file, run)
    with History(tmp_path / "runs") as history:
        (past,) = history.runs()
    assert (past.verdict, past.expected_failures, past.badge) == ("PASS", 1, BADGE)
    ((text, style),) = Badges(pages.index("runs", "", [(past, "")])).found
    assert text == BADGE and "XFAIL" in style
    assert Badges(pages.compare([past], [Document()])).found[0][0] == BADGE
