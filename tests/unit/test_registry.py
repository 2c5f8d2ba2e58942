"""What other packages add: a fault and a checker that are installed beside the harness, seen in every step of a run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment.plan import CheckSpec
from chaos.experiment.schema import schema
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.load.nobody import Nobody
from chaos.model import Verdict
from chaos.probes.prober.watch import Watch
from chaos.record.findings import Document
from chaos.record.history import History
from chaos.record.journal import Journal
from chaos.report import comparison, terminal, write_all
from chaos.report.comparison import page
from chaos.report.comparison import terminal as beside_terminal
from chaos.report.formats import markdown
from chaos.report.site import pages
from chaos.report.site.site import Site
from chaos.report.trend import series
from chaos.targets.memory.target import Memory
from tests import reference
from tests.unit.histories import every
from tests.unit.run.test_orchestrator import NODES, Stage, plan, step

FAULT = '''"""Freeze a node twice as cold."""
from dataclasses import dataclass
from chaos.protocols import Fault
from chaos.protocols.capabilities import PAUSE, Pausing

@dataclass(frozen=True)
class Colder(Fault[Pausing]):
    degrees: float = 2.0
    needs = PAUSE

    async def inject(self, on, nodes):
        await on.pause(nodes)

    async def confirm(self, on, nodes):
        return all([await on.paused(node) for node in nodes])

    async def heal(self, on, nodes):
        await on.resume(nodes)
'''
CHECKER = '''"""At most so many events."""
from dataclasses import dataclass
from chaos.model import Finding, Verdict
from chaos.protocols import Checker

@dataclass(frozen=True)
class Few(Checker):
    most: int

    def check(self, journal):
        n = len(journal.events)
        return Finding("few", Verdict.PASS if n <= self.most else Verdict.FAIL, f"{n} events")
'''
ASSUMPTION = '''"""Assumption: nobody shouted."""
from dataclasses import dataclass
from typing import ClassVar
from chaos.model import Finding, Verdict
from chaos.protocols import Assumption

@dataclass(frozen=True)
class Quiet(Assumption):
    least: ClassVar = 1
    fewer: ClassVar = "it hears every shout"
    excuse: ClassVar = "somebody shouted"

    def applies(self, journal):
        return journal.plan.experiment != "deaf"

    def check(self, journal):
        shouts = [n for n, e in journal.of("fault.inject") if e.subject == "shout"]
        return Finding("quiet", Verdict.INCONCLUSIVE if shouts else Verdict.PASS, f"{len(shouts)} shouts")
'''
PLAIN = '''"""A dataclass of another kind."""
from dataclasses import dataclass

@dataclass(frozen=True)
class Plain:
    pass
'''
MEASURE = '''"""How many events of each kind there were."""
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar
from chaos.protocols import Measure

@dataclass(frozen=True)
class Noise(Measure):
    title: ClassVar = "noise of the harness"
    unit: ClassVar = "events"
    worse: ClassVar = "more"

    def measure(self, journal):
        return {e: float(n) for e, n in Counter(e.kind for e in journal.events).items() if e.startswith("fault.")}
'''
REPORT = '''"""lines.txt: a line a finding."""
from dataclasses import dataclass
from typing import ClassVar
from chaos.report.format import Report

@dataclass(frozen=True)
class Lines(Report):
    file: ClassVar = "lines.txt"
    kind: ClassVar = "text/plain"

    def render(self, journal, judgement):
        rows = [f"{f.check} {f.verdict.value}" for f in judgement.findings]
        return "\\n".join([*rows, *(m.title for m in judgement.measures.added.values())])
'''
DOSSIER = '''"""What is known of cold."""
from dataclasses import dataclass
from chaos.protocols import Dossier
from chaos.record.findings import FactRow

@dataclass(frozen=True)
class Weather(Dossier):
    def facts(self, journal):
        return [FactRow("winter_of_1963", "control", 0, len(journal.plan.steps), False)]
'''
QUESTION = '''"""A node is cold."""
from dataclasses import dataclass
from typing import ClassVar
from chaos.protocols.capabilities import PAUSE
from chaos.protocols.questions import Answer, Question

@dataclass(frozen=True)
class Cold(Question):
    node: str
    needs = PAUSE
    bare: ClassVar = "node"
    fails: ClassVar = "the node is warm"

    async def ask(self, on, within):
        node = next(n for n in on.nodes() if n.name == self.node)
        warm = not await on.can.need(PAUSE).paused(node)
        return Answer(warm, why="" if warm else "it is cold")
'''
ENTRIES = """[chaos.faults]
colder = cold_plugin.colder:Colder
pause = cold_plugin.colder:Colder
[chaos.checkers]
few = cold_plugin.few:Few
[chaos.assumptions]
quiet = cold_plugin.quiet:Quiet
[chaos.measures]
noise = cold_plugin.noise:Noise
[chaos.dossiers]
weather = cold_plugin.weather:Weather
[chaos.questions]
cold = cold_plugin.cold:Cold
[chaos.reports]
lines = cold_plugin.lines:Lines
"""
BROKEN = """[chaos.faults]
broken = cold_plugin.nowhere:Broken
number = cold_plugin:NUMBER
[chaos.probes]
plain = cold_plugin.plain:Plain
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution as pip would leave it: a package, and a .dist-info with its entry points."""
    package, info = tmp_path / "cold_plugin", tmp_path / "cold_plugin-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir()
    files = {package / "__init__.py": "NUMBER = 7\n", package / "colder.py": FAULT, package / "few.py": CHECKER}
    files |= {package / "noise.py": MEASURE, package / "lines.py": REPORT}
    files |= {package / "weather.py": DOSSIER, package / "cold.py": QUESTION}
    files |= {package / "quiet.py": ASSUMPTION, package / "plain.py": PLAIN}
    files |= {info / "METADATA": "Metadata-Version: 2.1\nName: cold-plugin\nVersion: 1.0\n"}
    files |= {info / "entry_points.txt": ENTRIES}
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()
    for name in [name for name in sys.modules if name.startswith("cold_plugin")]:
        del sys.modules[name]


@pytest.mark.usefixtures("installed")
def test_an_installed_fault_and_checker_are_known_run_judged_and_reported(tmp_path: Path) -> None:
    """Beside our own names; with parameters; in the journal; with a verdict; in a report."""
    assert {"colder", "pause"} <= set(registry.names("chaos.faults"))
    assert registry.summary(registry.load("chaos.faults", "colder")) == "Freeze a node twice as cold."
    checks = (CheckSpec("few-1", "few", {"most": 10_000}), CheckSpec("few-2", "few", {"most": 3}))
    made = msgspec.structs.replace(plan(step("cold", 10, 20, "chat-a", fault="colder")), checks=checks)
    journal = Stage(tmp_path / "run", made).go().journal
    assert [e.data["fault"] for _, e in journal.of("fault.active")] == ["colder"]
    judgement = judge(journal)
    assert [f.verdict for f in judgement.findings if f.check == "few"] == [Verdict.PASS, Verdict.FAIL]
    assert "few" in markdown.render(journal, judgement)


@pytest.mark.usefixtures("installed")
def test_ours_stay_ours_and_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """A plug-in takes no name of ours; a broken one is refused where an experiment asks for it."""
    (tmp_path / "cold_plugin-1.0.dist-info" / "entry_points.txt").write_text(ENTRIES + BROKEN)
    registry.installed.cache_clear()
    assert registry.load("chaos.faults", "pause").__module__ == "chaos.faults.pause"
    for package, name in (("faults", "broken"), ("faults", "number"), ("probes", "plain")):
        with pytest.raises(BadExperiment) as refused:
            registry.load(f"chaos.{package}", name)
        assert name in str(refused.value)
        assert "cold_plugin" in str(refused.value)
    with pytest.raises(BadExperiment):
        registry.build(registry.load("chaos.faults", "colder"), {"degrees": "very"})


@pytest.mark.usefixtures("installed")
def test_an_installed_assumption_is_judged_in_every_run_that_it_applies_to(tmp_path: Path) -> None:
    """After ours; where it does not hold nobody is convicted; a run it does not apply to says nothing of it."""

    def judged(name: str, at: str, **more: str) -> dict[str, Verdict]:
        checks = (CheckSpec("few-1", "few", {"most": 3}),)
        made = msgspec.structs.replace(plan(step(name, 10, 20, "chat-a", fault="pause")), checks=checks, **more)
        return {f.check: f.verdict for f in judge(Stage(tmp_path / at, made).go().journal).findings}

    quiet, loud, deaf = judged("hush", "a"), judged("shout", "b"), judged("shout", "c", experiment="deaf")
    assert list(quiet).index("quiet") == list(quiet).index("effective") + 1
    assert (quiet["quiet"], quiet["few"]) == (Verdict.PASS, Verdict.FAIL)
    assert (loud["quiet"], loud["few"]) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert "quiet" not in deaf and deaf["few"] is Verdict.FAIL
    assert "### quiet" in reference.checks()


@pytest.mark.usefixtures("installed")
def test_an_installed_assumption_that_cannot_be_made_acquits_nobody(tmp_path: Path) -> None:
    """Nobody asked for it by name, so the run's judgement says what is wrong with it."""
    (tmp_path / "cold_plugin" / "quiet.py").write_text("1 / 0\n", encoding="utf-8")
    made = msgspec.structs.replace(plan(), checks=(CheckSpec("few-1", "few", {"most": 10_000}),))
    found = {f.check: f for f in judge(Stage(tmp_path / "run", made).go().journal).findings}
    assert found["quiet"].verdict is Verdict.INCONCLUSIVE and "ZeroDivisionError" in found["quiet"].summary


def played(folder: Path) -> tuple[Journal, Judgement]:
    """An experiment that asks for the installed fault and check, planned for the memory target and run on it."""
    doc = {
        "name": "cold", "claim": "y", "load": {"users": "u.py", "count": 1, "rate": "2/s", "floor": "1/s"},
        "timeline": [{"id": "freeze", "at": "2s", "for": "3s", "fault": "colder", "where": {"name": "chat-a"},
                      "with": {"degrees": 5}}],
        "checks": [{"few": {"most": 10_000}}, {"few": {"most": 3}}],
    }  # fmt: skip
    file = folder / "cold.yaml"
    file.write_text(yaml.safe_dump(doc), encoding="utf-8")
    made = planning.plan("cold.yaml", experiments.read(file), Memory(NODES), planning.Choices(7, {}, {}))
    journal = Stage(folder / "runs" / "cold" / "20260101T000000Z-s7", made).go().journal
    journal = replace(journal, ops=tuple(every(0.5, 0, 9)))  # users, who have a load of their own elsewhere
    return journal, judge(journal, "runs/cold/20260101T000000Z-s7")


@pytest.mark.usefixtures("installed")
def test_what_is_installed_is_planned_run_judged_and_measured(tmp_path: Path) -> None:
    """A fault, a check, an assumption and a measure of another package, in one run of an experiment's file."""
    journal, found = played(tmp_path)
    (step,) = journal.plan.steps
    assert (step.fault, step.params) == ("colder", {"degrees": 5.0})
    assert [c.check for c in journal.plan.checks] == ["few", "few"]
    assert [e.data["fault"] for _, e in journal.of("fault.active")] == ["colder"]
    verdicts = [(f.check, f.verdict) for f in found.findings]
    assert ("quiet", Verdict.PASS) in verdicts
    assert [v for c, v in verdicts if c == "few"] == [Verdict.PASS, Verdict.FAIL]
    noise = found.measures.added["noise"]
    assert [(f.name, f.measured, f.holds) for f in found.facts] == [("winter_of_1963", 1, False)]
    assert (noise.unit, noise.worse, noise.figures["fault.inject"]) == ("events", "more", 1.0)


@pytest.mark.usefixtures("installed")
def test_what_is_installed_is_shown_in_every_report(tmp_path: Path) -> None:
    """A row of its own for the measure, a finding for the check and the assumption; alone, and beside another run."""
    journal, found = played(tmp_path)
    run = tmp_path / "runs" / "cold" / "20260101T000000Z-s7"
    texts = {name: path.read_text() for name, path in write_all(run, journal, found).items()}
    assert list(texts)[-1] == "lines.txt" and "few PASS" in texts["lines.txt"]
    assert Site(tmp_path / "runs").get("/runs/cold/20260101T000000Z-s7/lines.txt").body.decode() == texts["lines.txt"]
    assert all("winter_of_1963" in texts[name] for name in ("findings.json", "report.md", "report.html"))
    texts["terminal"] = terminal.render(journal, found)
    arms = [comparison.Arm(journal, found), comparison.Arm(journal, replace(found, run="other"))]
    doc = comparison.document(arms)
    beside = {"compared": beside_terminal.render(doc), "page": page.render(doc)}
    with History(tmp_path / "runs") as history:
        (past,) = history.runs()
        assert history.measures(past)["added.noise.figures.fault.inject"] == 1.0
    beside["site"] = pages.compare([past], [Document(measures=found.measures)])
    for name, text in (texts | beside).items():
        assert "noise of the harness" in text, name
    assert all("few" in text and "quiet" in text for text in texts.values())


@pytest.mark.usefixtures("installed")
def test_an_installed_question_is_planned_asked_and_judged(tmp_path: Path) -> None:
    """A probe of another package, in an experiment without a load."""
    doc = {
        "name": "cold", "claim": "y", "probes": [{"name": "chat", "cold": "chat-a"}],
        "timeline": [{"at": "2s", "for": "9s", "fault": "pause", "where": {"name": "chat-a"}}],
        "checks": [{"probe": {"name": "chat", "at_least": 0.99}}], "steady": {"for": "5s"}, "recover": "5s",
    }  # fmt: skip
    file = tmp_path / "cold.yaml"
    file.write_text(yaml.safe_dump(doc), encoding="utf-8")
    made = planning.plan("cold.yaml", experiments.read(file), Memory(NODES), planning.Choices(7, {}, {}))
    stage = Stage(tmp_path / "run", made)
    stage.load = Nobody(made.steady)  # type: ignore[assignment]  # instead of users
    stage.more = {"watch": Watch(made.probes, stage.target, tmp_path)}
    journal = stage.go().journal
    assert {e.data.get("why", "") for _, e in journal.of("probe.sample")} == {"", "it is cold"}
    assert [f.verdict for f in judge(journal).findings if f.check == "probe chat"] == [Verdict.FAIL]
    assert "cold" in schema()["$defs"]["Experiment"]["properties"]["probes"]["items"]["properties"]
    assert "## cold" in reference.probes()


@pytest.mark.usefixtures("installed")
def test_what_is_installed_is_documented_and_trends_know_which_way_is_worse() -> None:
    """The reference pages and the schema of experiments have it, as what is our own."""
    assert "### few" in reference.checks() and "### quiet" in reference.checks()
    assert "## colder" in reference.faults() and "### noise" in reference.measures()
    assert "few" in schema()["$defs"]["Experiment"]["properties"]["checks"]["items"]["properties"]
    assert series.direction("added.noise.figures.fault.inject") == 1
    assert series.direction("added.gone.figures.x") == 0


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("wrong", ["1 / 0", MEASURE.replace("float(n)", "float('nan')")])
def test_an_installed_measure_that_is_broken_says_so_and_takes_nothing_with_it(wrong: str, tmp_path: Path) -> None:
    """Its finding is INCONCLUSIVE; the other measures and findings are there."""
    (tmp_path / "cold_plugin" / "noise.py").write_text(wrong, encoding="utf-8")
    _, found = played(tmp_path)
    (finding,) = [f for f in found.findings if f.check == "measure noise"]
    assert finding.verdict is Verdict.INCONCLUSIVE and "raised" in finding.summary
    assert "noise" not in found.measures.added and "effect" in found.measures.added
