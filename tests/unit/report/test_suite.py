"""Suites: files that are wrong, what a run came to, the three reports, and a program in the place of `chaos run`."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from chaos.cli import main
from chaos.errors import BadExperiment
from chaos.experiment import suite as suites
from chaos.experiment.suite import Entry, Play
from chaos.model import Verdict
from chaos.report.suite import junit, sarif, summary
from chaos.report.suite.outcome import Outcome, left_out, outcome, worst
from chaos.run import child
from chaos.run.child import Played, Player
from tests.messages import Says, lines

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
FIRE = Play(Entry(experiment="zone-fire", posture="as-was"), 7, 600.0)
LOSS = Play(Entry(experiment="primary-loss"), 7, 600.0)


def suite(folder: Path, text: str) -> Path:
    path = folder / "night.yaml"
    path.write_text(text)
    return path


def recorded(name: str, play: Play) -> Outcome:
    """One that was played: a recorded run."""
    run = GOLDEN / name
    found = json.loads((run / "findings.json").read_text())
    return outcome(play, Played(found["exit"], 61.5, run, ()))


# --- the file


@pytest.mark.parametrize(
    "text",
    [
        "name: night\nruns: [{experimnt: x}]",
        "name: day\nruns: [{experiment: x}]",
        "name: night\nruns: []",
        "name: night\nruns: [{experiment: x, budget: soon}]",
        "name: night\nruns: [{experiment: x, seeds: []}]",
        "name: night\nbugdet: 1h\nruns: [{experiment: x}]",
        "name: night\nruns: [{experiment: x, seeds: [a]}]",
    ],
    ids=str,
)
def test_a_suite_that_is_wrong_is_refused_in_words(tmp_path: Path, text: str, says: Says) -> None:
    """Place, what was found, what was expected."""
    with pytest.raises(BadExperiment) as e:
        suites.read(suite(tmp_path, text))
    says(e.value)


def test_every_entry_is_played_with_each_seed_and_turn(tmp_path: Path) -> None:
    """In the file's order; seeds of the command line in the place of its own."""
    text = "name: night\nruns: [{experiment: a, seeds: [1, 2]}, {experiment: b, set: {lanes: 8, fast: true}}]"
    found = suites.read(suite(tmp_path, text))
    assert [(p.entry.experiment, p.seed) for p in suites.plays(found)] == [("a", 1), ("a", 2), ("b", 7)]
    again = suites.plays(found, [5], 2)
    assert [(p.entry.experiment, p.seed, p.turn) for p in again] == [("a", 5, 1), ("a", 5, 2), ("b", 5, 1), ("b", 5, 2)]
    assert again[-1].title == "b fast=true lanes=8 seed 5 (2 of 2)"
    args = again[-1].arguments("process", Path("s.yml"))
    assert args[:3] == ["b", "--seed", "5"] and args[-4:] == ["--set", "fast=true", "--set", "lanes=8"]


@pytest.mark.parametrize("path", sorted((ROOT / suites.FOLDER).glob("*.yaml")), ids=lambda p: p.stem)
def test_our_own_suites_can_be_played(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names experiments that there are."""
    monkeypatch.chdir(ROOT)
    found = suites.read(path)
    assert all((ROOT / "experiments" / f"{e.experiment}.yaml").exists() for e in found.runs)


def test_a_suite_is_planned_before_anything_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """Two wrong entries, one message, exit 64, no folder of reports."""
    monkeypatch.chdir(ROOT)
    entries = "{experiment: node-kil, target: process}, {experiment: zone-fire, posture: remedid, target: process}"
    path = suite(tmp_path, f"name: night\nruns: [{entries}]")
    with pytest.raises(SystemExit) as e:
        main(["suite", str(path), "--out", str(tmp_path / "out")])
    assert e.value.code == 64
    says(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_check_can_be_left_out_of_every_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """On the embedded target there may be no Prometheus; a check of another name is not one."""
    monkeypatch.chdir(ROOT)
    for check, code in (("promql", 0), ("promq", 64)):
        with pytest.raises(SystemExit) as e:
            main(["suite", "nightly", "--dry", "--target", "process", "--without", check])
        assert int(e.value.code or 0) == code
    says(lines(capsys.readouterr().err, "zone-fire as-was"))


def test_the_nightly_workflow_opens_no_secrets_and_may_only_read() -> None:
    """Nor does an input of a person reach a script as its text; the suite it plays is there."""
    text = (ROOT / ".github" / "workflows" / "resilience.yml").read_text()
    found = yaml.safe_load(text)
    assert found["permissions"] == {"contents": "read"} and "secrets" not in text.replace("No secrets", "")
    (job,) = found["jobs"].values()
    assert "permissions" not in job
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert any("chaos suite" in script for script in scripts) and not any("${{" in script for script in scripts)
    default = found[True]["workflow_dispatch"]["inputs"]["suite"]["default"]  # YAML 1.1 reads `on` as true
    assert suites.find(default, ROOT).exists()


# --- what a run came to


def test_a_run_without_findings_is_never_a_pass() -> None:
    """Whatever its exit code; what it said last is kept."""
    found = outcome(FIRE, Played(0, 1.0, None, ("something",)))
    assert (found.verdict, found.why) == (Verdict.ERROR, "something")
    assert outcome(FIRE, Played(2, 1.0, None, ())).verdict is Verdict.ERROR
    assert outcome(FIRE, Played(3, 1.0, None, ("x",))).verdict is Verdict.INCONCLUSIVE


def test_a_run_over_its_budget_is_no_pass_even_if_its_checks_held(says: Says) -> None:
    """And says so."""
    found = outcome(FIRE, Played(130, 601.0, GOLDEN / "zone-fire-remedied", (), over=True))
    assert found.verdict is Verdict.INCONCLUSIVE
    says(found.why)


def test_a_run_that_died_after_its_findings_is_an_error() -> None:
    """Its exit code is not that of its verdict."""
    assert outcome(FIRE, Played(-9, 1.0, GOLDEN / "zone-fire-as-was", ())).verdict is Verdict.ERROR


def test_the_worst_verdict_wins_in_the_order_of_verdicts() -> None:
    """Not by number; and a run that was left out is not green."""
    outcomes = [recorded("zone-fire-as-was", FIRE), recorded("primary-loss-lossy", LOSS)]
    assert worst(outcomes) is Verdict.FAIL
    assert worst([*outcomes[:1], left_out(LOSS, "not begun")]) is Verdict.INCONCLUSIVE
    assert worst([]) is Verdict.INCONCLUSIVE


# --- reports

OUTCOMES = [
    recorded("zone-fire-as-was", FIRE),
    recorded("primary-loss-lossy", LOSS),
    left_out(Play(Entry(experiment="node-kill"), 3, 60.0), "not started: the suite was interrupted"),
]


def test_junit_has_every_run_with_every_measure() -> None:
    """Counts add up; a run that was left out is an error, not absent."""
    top = ET.fromstring(junit.render("night", OUTCOMES).partition("\n")[2])
    suites = list(top)
    assert [s.get("name") for s in suites] == [o.play.title for o in OUTCOMES]
    cases = list(top.iter("testcase"))
    assert int(top.get("tests", "")) == len(cases) and int(top.get("failures", "")) == len(list(top.iter("failure")))
    assert suites[2].find("testcase/error") is not None
    measures = {p.get("name"): p.get("value") for p in suites[0].iter("property")}
    assert measures["verdict"] == "PASS" and float(str(measures["rto_s.text"])) > 1


def test_sarif_is_what_the_standard_asks_for() -> None:
    """SARIF 2.1.0: required properties, enumerations, and what a kind says about a level."""
    found = json.loads(sarif.render("night", "1.2.3", OUTCOMES, ROOT))
    assert problems_of(found) == []
    (run,) = found["runs"]
    results = run["results"]
    by_rule = {(r["ruleId"], r["kind"], r["level"]) for r in results}
    assert ("chaos/delivery", "fail", "error") in by_rule  # primary-loss lost writes
    assert ("chaos/recovery", "fail", "note") in by_rule  # zone-fire's known gap
    assert ("chaos/run", "open", "none") in by_rule  # what was not begun
    gaps = [r for r in results if r["level"] == "note"]
    assert all(r["suppressions"][0]["justification"] for r in gaps)
    assert run["invocations"][0]["exitCode"] == worst(OUTCOMES).exit_code
    assert len({r["partialFingerprints"]["chaosCheck/v1"] for r in results}) == len(results)


def test_sarif_points_at_the_line_of_the_check() -> None:
    """The one in the experiment's file."""
    found = json.loads(sarif.render("night", "1", OUTCOMES[:1], ROOT))
    lines = (ROOT / "experiments" / "zone-fire.yaml").read_text().splitlines()
    (gap,) = [r for r in found["runs"][0]["results"] if r["ruleId"] == "chaos/recovery"]
    place = gap["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "experiments/zone-fire.yaml"
    assert "recovery" in lines[place["region"]["startLine"] - 1]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: d.pop("version"), "version"),
        (lambda d: d["runs"][0]["tool"]["driver"].pop("name"), "name"),
        (lambda d: d["runs"][0]["results"][0].update(level="bad"), "level"),
        (lambda d: d["runs"][0]["results"][0]["message"].clear(), "message"),
        (lambda d: d["runs"][0]["results"][0].update(ruleIndex=99), "ruleIndex"),
        (lambda d: d["runs"][0]["results"][0].update(kind="open", level="error"), "kind"),
    ],
)
def test_what_is_no_sarif_is_seen(spoil: Any, says: str) -> None:
    """The structure's check can fail."""
    found = json.loads(sarif.render("night", "1", OUTCOMES, ROOT))
    spoil(found)
    assert any(says in problem for problem in problems_of(found))


def problems_of(d: dict[str, Any]) -> list[str]:
    """What of SARIF 2.1.0 a document breaks: sections 3.13 to 3.58, as far as we write any of it."""
    found = []

    def must(holds: object, words: str) -> None:
        if not holds:
            found.append(words)

    must(d.get("version") == "2.1.0", "3.13.2 version")
    must(isinstance(d.get("runs"), list), "3.13.4 runs")
    for run in d.get("runs", []):
        driver = run.get("tool", {}).get("driver", {})
        must(driver.get("name"), "3.19.8 driver.name")
        rules = driver.get("rules", [])
        must(all(r.get("id") for r in rules), "3.49.3 rule.id")
        must(len({r.get("id") for r in rules}) == len(rules), "3.19.23 rules unique")
        must(all(r["shortDescription"].get("text") for r in rules), "3.49.9 shortDescription.text")
        for invocation in run.get("invocations", []):
            must(isinstance(invocation.get("executionSuccessful"), bool), "3.20.14 executionSuccessful")
        for r in run.get("results", []):
            must(r.get("message", {}).get("text"), "3.27.11 message.text")
            must(r.get("level") in ("none", "note", "warning", "error"), "3.27.10 level")
            kinds = ("pass", "open", "informational", "notApplicable", "review", "fail")
            must(r.get("kind") in kinds, "3.27.9 kind")
            must(r.get("kind") == "fail" or r.get("level") == "none", "3.27.9 kind other than fail has level none")
            at = r.get("ruleIndex", -1)
            must(0 <= at < len(rules) and rules[at]["id"] == r["ruleId"], "3.27.6 ruleIndex")
            for location in r.get("locations", []):
                place = location["physicalLocation"]
                must(place["artifactLocation"].get("uri", "").strip("/"), "3.4.3 uri")
                must(place["region"]["startLine"] >= 1, "3.30.5 startLine")
            must(all(s.get("kind") in ("inSource", "external") for s in r.get("suppressions", [])), "3.35.2 kind")
    return found


def test_the_summary_says_what_did_not_hold_and_keeps_to_its_table(says: Says) -> None:
    """One row a run, the known gap by its reason, no cell that breaks the table."""
    bad = Outcome(Play(Entry(experiment="x"), 1, 9.0), Verdict.ERROR, why="a | b\n<script>")
    said = summary.render("night", "Every night.", [*OUTCOMES, bad])
    says(said)
    rows = [line for line in said.splitlines() if line.startswith("| ")]
    assert len(rows) == 5 and all(line.count(" | ") == 4 for line in rows)
    assert "<script" not in said


# --- playing, with a program of the test's in the place of `chaos`


def test_the_suite_plays_writes_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """One run that fails (recorded), one that is never begun because the budget is used up; the step's summary too."""

    def play(self: Player, args: Sequence[str], into: Path, budget: float | None = None) -> Played:
        run = tmp_path / "runs" / "zone-fire" / "20260101T000000Z-s7"
        shutil.copytree(GOLDEN / "primary-loss-lossy", run)
        return Played(1, 61.0, run, ())

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Player, "play", play)
    clock = iter([0.0, 0.0, 100.0, 100.0])
    monkeypatch.setattr("chaos.campaign.suite.time.monotonic", lambda: next(clock))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    entries = "{experiment: zone-fire, target: process}, {experiment: zone-fire, target: process}"
    path = suite(tmp_path, f"name: night\nbudget: 90s\nruns: [{entries}]")
    with pytest.raises(SystemExit) as e:
        main(["suite", str(path), "--out", str(tmp_path / "out")])
    assert e.value.code == Verdict.FAIL.exit_code
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["junit.xml", "suite.sarif", "summary.md"]
    said = (tmp_path / "step.md").read_text()
    assert said == (tmp_path / "out" / "summary.md").read_text()
    says(said)
    says(capsys.readouterr().out)


@pytest.mark.parametrize(("code", "ends_with"), [(130, 130), (75, 75)])
def test_after_an_interruption_or_a_halt_no_further_run_begins(
    code: int, ends_with: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    """Ctrl-C is handed to the run that goes on; what was not begun is in the reports, and the exit code says why."""
    ended: list[int] = []

    def play(self: Player, args: Sequence[str], into: Path, budget: float | None = None) -> Played:
        if code == child.INTERRUPTED:
            os.kill(os.getpid(), signal.SIGINT)
        return Played(code, 1.0, None, ("halted: an audit",))

    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(Player, "play", play)
    monkeypatch.setattr(Player, "end", lambda self: ended.append(1))
    path = suite(tmp_path, "name: night\nruns: [{experiment: zone-fire, target: process, seeds: [1, 2, 3]}]")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as e:
        main(["suite", str(path), "--out", str(tmp_path / "out")])
    assert e.value.code == ends_with and len(ended) == (code == child.INTERRUPTED)
    said = (tmp_path / "out" / "summary.md").read_text()
    assert said.count("not started: ") == 2
    says(said)
    assert signal.getsignal(signal.SIGINT) is before
