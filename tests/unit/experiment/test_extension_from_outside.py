"""What an extension of another package costs: one class and its entry point. It has its own block, words and struct."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment import extensions, planning
from chaos.experiment import file as experiments
from chaos.experiment import stack as stackfile
from chaos.experiment.plan import Plan
from chaos.experiment.schema import schema
from chaos.record import older
from chaos.record.store import pretty
from chaos.report.plan import render
from chaos.targets.memory.target import Memory
from tests.messages import Says

STACK = Path(__file__).parents[2] / "contract" / "stack.yml"
TIDE = '''"""A tide that comes in node by node, and who lives where it is wet."""
from dataclasses import dataclass
from typing import ClassVar
import msgspec
from chaos.experiment.plan import Release
from chaos.protocols.extension import Extension

class Tide(msgspec.Struct, forbid_unknown_fields=True):
    turns: str
    every: str = "1s"

class Carried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    turns: float
    names: tuple[str, ...]

@dataclass
class Wet(Extension):
    block: ClassVar = Tide
    carries: ClassVar = Carried
    params: ClassVar = ("environment",)
    choosers: ClassVar = ("below",)
    none_chosen: ClassVar = "nobody lives there, so nobody is hit"
    ends: ClassVar = ("ebb",)

    @staticmethod
    def read(given, stack):
        return sorted(node.name for node in stack.nodes)

    def begin(self):
        self.turns = self.context.settings.time(self.given.turns, "tide.turns") if self.given else 0.0

    def param(self, name, value, place):
        if not value:
            self.context.problems.add(place, "found nothing that floats")
        return {name: {"FLOATS": value}}

    def chosen(self, chooser, value, nodes, place):
        return [n for n in nodes if n.zone == "a"][:int(value)]

    def releases(self, end, at, names, place):
        return [Release(self.turns + k, (name,)) for k, name in enumerate(names)]

    def carry(self):
        return Carried(self.turns, tuple(self.found)) if self.given else None

    @staticmethod
    def said(plan):
        return [f"the tide turns at {plan.extensions['tide'].turns:g} s"] if "tide" in plan.extensions else []
'''
FALL: dict[str, Any] = {"at": "1s", "fault": "pause", "where": {"below": 1}, "until": "ebb"}
FLOAT: dict[str, Any] = {"at": "1s", "fault": "deploy", "where": {"zone": "a"}, "with": {"environment": "boats"}}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution as pip would leave it."""
    package, info = tmp_path / "sea", tmp_path / "sea-1.0.dist-info"
    files = {package / "__init__.py": "", package / "tide.py": TIDE}
    files |= {info / "METADATA": "Metadata-Version: 2.1\nName: sea\nVersion: 1.0\n"}
    files |= {info / "entry_points.txt": "[chaos.extensions]\ntide = sea.tide:Wet\n"}
    for file, text in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "sea"]:
        del sys.modules[name]


def plan(folder: Path, *lines: dict[str, Any], **more: Any) -> Plan:
    load = {"users": "u.py", "count": 1, "rate": "1/s", "floor": "0/s"}
    doc = {"name": "x", "claim": "", "load": load, "checks": [], "timeline": list(lines), "tide": {"turns": "4s"}}
    (folder / "x.yaml").write_text(yaml.safe_dump({k: v for k, v in (doc | more).items() if v is not None}))
    stack, made = stackfile.read(STACK), experiments.read(folder / "x.yaml")
    choices = planning.Choices(7, {}, extensions.found(made.blocks, stack))
    return planning.plan("x.yaml", made, Memory(stack.nodes), choices)


def test_its_words_are_planned(tmp_path: Path) -> None:
    """A selector, an end and a parameter of a fault. What it carries is of its block and of the project's files."""
    made = plan(tmp_path, FALL, FLOAT)
    fall, floats = sorted(made.steps, key=lambda s: s.fault, reverse=True)
    assert len(fall.nodes) == 1 and [(r.t, r.nodes) for r in fall.releases] == [(4.0, fall.nodes)]
    assert floats.params["environment"] == {"FLOATS": "boats"}
    carried = made.extensions["tide"]
    assert carried.turns == 4.0 and list(carried.names) == sorted(n["name"] for n in made.nodes)
    assert "the tide turns at 4 s" in render(made)


def test_its_chooser_may_leave_nobody(tmp_path: Path, says: Says) -> None:
    """The plan says so in its words; a label that leaves nobody is still a mistake."""
    made = plan(tmp_path, FALL | {"where": {"below": 0}})
    assert made.steps == () and made.left_out == ("timeline[0] (timeline[0]): nobody lives there, so nobody is hit",)
    with says.raises(BadExperiment):
        plan(tmp_path, FALL | {"where": {"zone": "q"}})


@pytest.mark.parametrize(
    ("line", "more"),
    [
        (FALL, {"tide": {"turn": "4s"}}),
        (FALL, {"tide": {"turns": 4}}),
        (FALL, {"tides": {}}),
        (FALL, {"blocks": {}}),
        (FALL | {"until": "flood"}, {}),
        (FLOAT | {"with": {"environment": ""}}, {}),
    ],
    ids=["a wrong key", "a wrong type", "nearly its block", "the blocks", "no end", "its own refusal"],
)
def test_mistakes_are_refused_with_their_place(
    tmp_path: Path, line: dict[str, Any], more: dict[str, Any], says: Says
) -> None:
    """As those of the harness's own blocks and words are."""
    with says.raises(BadExperiment):
        plan(tmp_path, line, **more)


def test_two_that_answer_for_one_word_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    """Nobody could say which of them a line means."""
    monkeypatch.setattr(registry.load(extensions.__name__, "tide"), "ends", ("plant",))
    with says.raises(BadExperiment):
        plan(tmp_path, FALL)


def test_its_plan_is_read_with_it_and_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its struct where it is installed, as plain values elsewhere; both are written as the same bytes."""
    made = plan(tmp_path, FALL)
    (tmp_path / "plan.json").write_bytes(pretty(made))
    assert older.plan(tmp_path / "plan.json").extensions == made.extensions
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(registry, "installed", lambda package: {})
        abroad = older.plan(tmp_path / "plan.json")
    assert isinstance(abroad.extensions["tide"], dict) and pretty(abroad) == pretty(made)


def test_its_block_is_in_the_schema() -> None:
    """With its own fields."""
    found = schema()["$defs"]
    assert {"$ref": "#/$defs/Tide"} in found["Experiment"]["properties"]["tide"]["anyOf"]
    assert set(found["Tide"]["properties"]) == {"turns", "every"} and "blocks" not in found["Experiment"]["properties"]
