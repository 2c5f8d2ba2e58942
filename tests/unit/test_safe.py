"""Whatever files, nodes and the network say, it steers no terminal, no page and no file that a build server reads."""

from __future__ import annotations

import asyncio
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chaos import safe
from chaos.cli import main
from chaos.cli.stack import show_status
from chaos.experiment.suite import Entry, Play
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Event, Finding, Node, Verdict
from chaos.observe.live.screen import Moment, render
from chaos.observe.live.state import Live
from chaos.record.findings import Document, Found, Measures
from chaos.record.journal import Journal
from chaos.report import comparison, plan, terminal
from chaos.report.comparison import page
from chaos.report.comparison import terminal as beside
from chaos.report.formats import html, junit, markdown
from chaos.report.sheet import SafeConsole
from chaos.report.suite import junit as suite_junit
from chaos.report.suite import sarif, summary
from chaos.report.suite.outcome import Outcome
from chaos.targets.memory.target import Memory
from tests.anybody import ANYBODY
from tests.unit.histories import BLOW, END, act, check, every, journal, op, outage

HOSTILE = (
    "\x1b]0;title\x07\x1b[8mhidden\x9b31m\x7f\x85\r\n# PASS\n- [x] done\n<img src=x onerror=alert(1)>"
    "[a](http://x)![b](http://y)[c]: http://z `d` *e* |f| \u202egnp.\u2066exe\u2029\udc80\ufeff &lt; ]]>"
)
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
OURS = re.compile("\x1b\\[[0-9;]*m")  # colours
WORDS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b\x9b\r\n\t`|<>[]()*\\#-&!")))


@given(WORDS)
def test_nothing_is_left_that_steers(said: str) -> None:
    """Once is enough, lines stay lines, and what is fit already stays as it is."""
    found = safe.text(said)
    assert not STEERING.search(found) and safe.text(found) == found
    assert "\n" not in safe.line(said) and not STEERING.search(safe.line(said))
    if not STEERING.search(said):
        assert found == said


@given(WORDS)
def test_json_stays_json_and_means_the_same(said: str) -> None:
    """What is printed for programs passes the same edge."""
    assert json.loads(safe.text(json.dumps([said], ensure_ascii=False))) == [said]


@given(WORDS)
def test_markdown_shows_a_text_as_it_is(said: str) -> None:
    """In a paragraph, an item and a cell: one text and nothing else, whatever it looks like."""
    for form in ("{}", "- x {}", "- {}", "| a | b |\n|---|---|\n| {} | y |"):
        tokens = parsed(form.format(safe.markdown(said)))
        assert kinds(tokens) <= kinds(parsed(form.format("z"))) | {"text_special"}, form


@given(WORDS)
def test_xml_takes_every_text(said: str) -> None:
    """As an attribute and between tags."""
    root = ET.Element("a", b=said)
    root.text = said
    assert ET.fromstring(junit.written(root)).tag == "a"


def parsed(text: str) -> list[str]:
    found = MarkdownIt("commonmark").enable("table").parse(text)
    return [t.type for token in found for t in (token, *(token.children or ()))]


def kinds(tokens: list[str]) -> set[str]:
    return set(tokens) - {"softbreak"}


# --- what is written and shown of a run


def hostile() -> tuple[Journal, Judgement]:
    """A run in which every text that comes from elsewhere is hostile."""
    events = [
        *BLOW, Event(1.0, "operator.done", HOSTILE, {"codes": {HOSTILE: 0}}),
        Event(5.0, "probe.error", HOSTILE, {"error": HOSTILE}),
        Event(20.0, "run.error", HOSTILE, {"error": HOSTILE, "type": HOSTILE}), *END,
    ]  # fmt: skip
    ops = [*outage(1, 4), op(2.0, "fail", HOSTILE, error=HOSTILE, user=HOSTILE), *every(0.25, -10, 20, journey="bank")]
    checks = (check("recovery", xfail=HOSTILE, journey="text", within=2.0), check("availability", journey=HOSTILE))
    nodes = tuple({"name": f"{n}{HOSTILE}", "component": HOSTILE, "zone": HOSTILE, "owner": HOSTILE} for n in "ab")
    j = journal(
        ops, events, claim=HOSTILE, experiment=HOSTILE, target=HOSTILE, settings={"posture": HOSTILE, "knob": HOSTILE},
        checks=checks, left_out=(HOSTILE,), acts=(replace_command(),), nodes=nodes,
    )  # fmt: skip
    j = replace(j, env={"argv": ["chaos", "run", "--set", HOSTILE], "started": HOSTILE})
    found = judge(j, HOSTILE)
    return j, replace(found, findings=(*found.findings, Finding(HOSTILE, Verdict.FAIL, HOSTILE, (), HOSTILE)))


def replace_command() -> object:
    import msgspec

    return msgspec.structs.replace(act(HOSTILE, 1.0), command=("sh", "-c", HOSTILE))


@pytest.mark.parametrize("color", [False, True])
def test_a_terminal_is_not_steered(color: bool) -> None:
    """By no report, in colours or without."""
    j, found = hostile()
    doc = comparison.document([comparison.Arm(j, found), comparison.Arm(j, replace(found, run="other"))], anyway=True)
    for said in (terminal.render(j, found, color=color), beside.render(doc, color=color), plan.render(j.plan)):
        assert not STEERING.search(OURS.sub("", said)), said
        assert "\x1b[8m" not in said
    assert "\n# PASS" not in plan.render(j.plan)


def test_no_line_of_a_claim_is_taken_for_a_verdict() -> None:
    """In a terminal what begins a line is ours."""
    j = journal(every(0.25, -10, 20), [*BLOW, *END], claim="It holds.\n\nPASS  every check held\rPASS")
    lines = terminal.render(j, judge(j, "run")).splitlines()
    assert len([line for line in lines if line.startswith("PASS  every")]) == 0
    assert "Claim: It holds. PASS every check held PASS" in lines


def test_no_label_of_a_node_is_taken_for_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each that `chaos status` knows."""
    nodes = [Node("web", "shop\nhealthy    pay", "a\r\nhealthy    pay")]
    asyncio.run(show_status(Memory(nodes)))
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["down", "left"]


def test_the_live_view_is_not_steered() -> None:
    """Nor does anything in it become a colour or a link of rich's."""
    j, _ = hostile()
    live = Live(j.plan)
    for event in j.events:
        live.tell(event)
    for one in j.ops:
        live.op(one)
    live.say(HOSTILE + "[bold]x[/bold]")
    live.note = HOSTILE
    screen = io.StringIO()
    console = SafeConsole(file=screen, width=100, force_terminal=True)
    for line in render(live, Moment(5.0, 3.0), 100, 40):
        console.print(line)
    assert not STEERING.search(OURS.sub("", screen.getvalue())) and "\x1b[8m" not in screen.getvalue()


def test_markdown_carries_no_markup_but_its_own() -> None:
    """No tag, no link, no picture, no heading, no tick of its own, and no control character."""
    j, found = hostile()
    whole = summary.render(HOSTILE, HOSTILE, [outcome(found)])
    for said in (markdown.render(j, found), whole):
        tokens = parsed(said)
        assert not STEERING.search(said)
        assert not {"html_block", "html_inline", "link_open", "image"} & set(tokens)
        headings = [line for line in said.splitlines() if line.startswith("#")]
        assert len(headings) == tokens.count("heading_open") and "# PASS" not in headings


def test_pages_carry_no_markup_but_their_own() -> None:
    """Nor control characters, which turn words round for a reader."""
    j, found = hostile()
    doc = comparison.document([comparison.Arm(j, found), comparison.Arm(j, replace(found, run="other"))], anyway=True)
    for said in (html.render(j, found), page.render(doc)):
        tags = Tags()
        tags.feed(said)
        assert "img" not in tags.seen and not STEERING.search(said)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)


def outcome(found: Judgement) -> Outcome:
    there = tuple(Found(f.check, f.verdict.value, f.summary, f.xfail, f.evidence) for f in found.findings)
    document = Document(run=HOSTILE, verdict="FAIL", findings=there, measures=Measures(rto_s={HOSTILE: 1.0}))
    play = Play(Entry(experiment="x", posture=HOSTILE, sets={"knob": HOSTILE}), 7, 1.0)
    return Outcome(play, Verdict.FAIL, 1.0, None, document, HOSTILE)


def test_build_servers_can_read_what_they_are_given(tmp_path: Path) -> None:
    """junit.xml is XML and suite.sarif JSON, of a run and of a suite."""
    j, found = hostile()
    for said in (junit.render(j, found), suite_junit.render(HOSTILE, [outcome(found)])):
        ET.fromstring(said)
        assert not STEERING.search(said)
    json.loads(sarif.render(HOSTILE, "1", [outcome(found)], tmp_path))


# --- what commands say


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


ESCAPES = '"\\e]0;title\\a\\e[8m\\u009b31m\\u202e\\n# PASS"'  # as YAML writes them
EXPERIMENT = """
name: x
claim: {0}
load: {{users: u.py, count: 1, rate: 1/s, floor: 1/s}}
operators: {{odd: {{exec: [sh, -c, {0}]}}}}
timeline: [{{at: 1s, do: odd, where: {{name: web}}}}]
checks: [{{delivery: {{lost: 0}}, known_gap: {{why: {0}}}}}]
"""


@pytest.mark.parametrize(
    ("change", "command", "code"),
    [
        (("", ""), "plan x --target process", 0),
        (("", ""), "plan x --target process --json", 0),
        (("", ""), "list", 0),
        (("claim: ", f"{ESCAPES}: 1\nclaim: "), "plan x --target process", 64),
        (("delivery", ESCAPES), "plan x --target process", 64),
        (("delivery", "no\x9b31mt"), "plan x --target process", 64),
        (("at: 1s", f"at: {ESCAPES}"), "plan x --target process", 64),
        (("u.py", ESCAPES), "plan x --target process", 64),
        (("", ""), "show x", 0),
        (("", ""), "plan \x1b[8mx\x9b --target process", 64),
        (("", ""), "plan x --target process --set \x1b[8mx=1", 64),
        (("", ""), "check \x1b[8mx", 64),
    ],
)
def test_no_command_lets_a_file_steer_the_terminal(
    change: tuple[str, str], command: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Neither in good order nor in a refusal, which repeats what was found."""
    services = '{"web": {"command": ["web"], "networks": {"n": {"ipv4_address": "10.77.1.10"}}}}'
    (tmp_path / "experiments").mkdir()
    (tmp_path / "docker-compose.yml").write_text(f'{{"services": {services}}}')
    (tmp_path / "experiments" / "x.yaml").write_text(EXPERIMENT.format(ESCAPES).replace(*change), encoding="utf-8")
    (tmp_path / "experiments" / "u.py").write_text(ANYBODY)
    monkeypatch.chdir(tmp_path)
    assert call(*command.split(" ")) == code
    said = capsys.readouterr()
    assert not STEERING.search(said.out + said.err), said
    if "--json" not in command and not command.startswith("show"):
        assert "\n# PASS" not in said.out
