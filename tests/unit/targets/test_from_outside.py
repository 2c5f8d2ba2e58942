"""What adding costs: a target with a table of two rows, and a capability with its fault, of another package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos import registry
from chaos.cli import main
from chaos.errors import BadExperiment, TargetError
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment import stack as stackfile
from chaos.experiment.plan import Plan
from chaos.report.plan import render
from chaos.targets import known
from tests.messages import Says, lines
from tests.unit.run.test_orchestrator import Stage
from tests.unit.run.test_orchestrator import plan as played
from tests.unit.run.test_orchestrator import step as planned
from tests.virtual import virtually

STACK = Path(__file__).parents[2] / "contract" / "stack.yml"
CAPABILITY = '''"""A capability: its protocol, its key, and the one class that has it on this target."""
from collections.abc import Sequence
from typing import Protocol
from chaos.protocols.table import Capability, Key

class Melting(Capability, Protocol):
    async def melt(self, nodes) -> None: ...
    async def cool(self, nodes) -> None: ...
    async def melted(self, node) -> bool: ...

MELT: Key[Melting] = Key("melt", "melt nodes")

class Furnace(Melting):
    backend = "a furnace"

    def __init__(self) -> None:
        self.hot: set[str] = set()
        self.broken = ""

    def unfit(self, node):
        return "it is made of stone" if node.component == "db" else None

    async def melt(self, nodes):
        self.hot |= {n.name for n in nodes}

    async def cool(self, nodes):
        self.hot -= {n.name for n in nodes}

    async def melted(self, node):
        return node.name in self.hot

    async def heal(self):
        if self.broken:
            raise TargetError(self.broken)
        self.hot.clear()

    async def residue(self):
        return [f"{name} is molten" for name in sorted(self.hot)]

from chaos.errors import TargetError
'''
FAULT = '''"""Melt nodes."""
from dataclasses import dataclass
from chaos.protocols import Fault
from tiny.capability import MELT, Melting

@dataclass(frozen=True)
class Melt(Fault[Melting]):
    needs = MELT

    async def inject(self, on, nodes):
        await on.melt(nodes)

    async def confirm(self, on, nodes):
        return all([await on.melted(node) for node in nodes])

    async def heal(self, on, nodes):
        await on.cool(nodes)
'''
TARGET = '''"""A target: its lifecycle, and a table of two rows."""
from chaos.protocols import Target
from chaos.protocols.capabilities import PAUSE, Pausing
from chaos.protocols.table import Table
from chaos.targets.rows import healed, left
from tiny.capability import MELT, Furnace

class Freezer(Pausing):
    backend = "a freezer"

    def __init__(self):
        self.cold = set()

    async def pause(self, nodes):
        self.cold |= {n.name for n in nodes}

    async def resume(self, nodes):
        self.cold -= {n.name for n in nodes}

    async def paused(self, node):
        return node.name in self.cold

    async def heal(self):
        self.cold.clear()

    async def residue(self):
        return [f"{name} is frozen" for name in sorted(self.cold)]

class Tiny(Target):
    name = "tiny"

    def __init__(self, nodes):
        self._nodes, self._can = tuple(sorted(nodes)), Table(MELT.by(Furnace()), PAUSE.by(Freezer()))

    @property
    def can(self):
        return self._can

    def nodes(self):
        return self._nodes

    async def up(self): ...
    async def down(self): ...

    async def heal(self):
        await healed((), self.can)

    async def residue(self):
        return await left(self.can)

    async def running(self, node):
        return True

    async def healthy(self, node):
        return True

    async def logs(self, node, lines=20):
        return ()

def make(stack, log_dir, tell):
    return Tiny(stack.nodes)

def unavailable():
    return None
'''
ENTRIES = "[chaos.faults]\nmelt = tiny.melt:Melt\n"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution as pip would leave it, and its target's line in the literal."""
    package, info = tmp_path / "tiny", tmp_path / "tiny-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir()
    files = {package / "__init__.py": "", package / "capability.py": CAPABILITY, package / "melt.py": FAULT}
    files |= {package / "target.py": TARGET, info / "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"}
    files |= {info / "entry_points.txt": ENTRIES}
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(known.KNOWN, "tiny", known.Kind("tiny.target"))
    importlib.invalidate_caches()
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tiny"]:
        del sys.modules[name]


def tiny() -> Any:
    return known.make("tiny", stackfile.read(STACK))


def plan(folder: Path, *lines: dict[str, Any]) -> Plan:
    load = {"users": "u.py", "count": 1, "rate": "1/s", "floor": "0/s"}
    timeline = [{"at": "1s", "for": "1s", **line} for line in lines]
    (folder / "x.yaml").write_text(
        yaml.safe_dump({"name": "x", "claim": "", "load": load, "checks": [], "timeline": timeline})
    )
    return planning.plan("x.yaml", experiments.read(folder / "x.yaml"), tiny(), planning.Choices(7, {}, {}))


def test_a_plan_says_what_does_it(tmp_path: Path) -> None:
    """The object's own word, of our fault too."""
    made = plan(tmp_path, {"fault": "melt", "where": {"name": "web-a"}}, {"fault": "pause", "where": {"name": "db-a"}})
    assert {s.fault: s.backend for s in made.steps} == {"melt": "a furnace", "pause": "a freezer"}
    assert "a furnace" in render(made)


@pytest.mark.parametrize(
    "line",
    [
        {"fault": "melt", "where": {"name": "db-a"}},
        {"fault": "kill", "where": {"name": "web-a"}},
    ],
    ids=str,
)
def test_a_plan_is_refused_in_the_words_of_the_table(tmp_path: Path, line: dict[str, Any], says: Says) -> None:
    """A node that is not fit, and a row that is not there."""
    with pytest.raises(BadExperiment) as refused:
        plan(tmp_path, line)
    assert len(refused.value.problems) == 1
    says(refused.value.problems[0])


def test_a_run_injects_confirms_and_heals_it(tmp_path: Path) -> None:
    """The same lifecycle; nothing is left."""
    target = tiny()
    stage = Stage(tmp_path / "run", played(planned("hot", 10, 20, "web-a", fault="melt")), target).go()
    kinds = [e.kind for _, e in stage.journal.of("fault.")]
    assert kinds == ["fault.inject", "fault.active", "fault.still", "fault.heal"]
    assert [e.data["left"] for _, e in stage.journal.of("residue")] == [[]]


def test_heal_and_residue_are_the_table_in_order(says: Says) -> None:
    """One that fails does not stop the rest, and is raised at the end."""
    target = tiny()
    furnace, freezer = target.can
    nodes = target.nodes()

    async def play() -> None:
        await furnace.melt(nodes[:1])
        await freezer.pause(nodes[:2])
        assert await target.residue() == ["db-a is molten", "db-a is frozen", "web-a is frozen"]
        furnace.broken = "no coal"
        with says.raises(TargetError):
            await target.heal()
        assert await target.residue() == ["db-a is molten"]
        furnace.broken = ""
        await target.heal()
        assert await target.residue() == []

    virtually(play())


def test_chaos_faults_shows_it(capsys: pytest.CaptureFixture[str], says: Says) -> None:
    """With what does it, how many nodes are not fit, and why the target cannot do another."""
    for fault in ("melt", "kill"):
        with pytest.raises(SystemExit) as end:
            main(["faults", fault, "--target", "tiny", "--stack", str(STACK)])
        assert not end.value.code
        said = capsys.readouterr().out
        says(lines(said, "available on: "))
        says(lines(said, "tiny: "))
