"""The pytest plugin in a pytest of its own: what it collects and what not, and the fixture over a memory target."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.messages import Says

ROOT = Path(__file__).parents[2]

STACK = """
services:
  web-a: {image: x, command: ["true"], labels: {chaos.component: web, chaos.zone: a}}
  db-b: {image: x, command: ["true"], labels: {chaos.component: db, chaos.zone: b}}
"""

# `chaos drive` over dicts, and in the place of `chaos run` the recorded run that the experiment's name asks for.
PROGRAM = f"""
import contextlib, pathlib, shutil, sys
if sys.argv[1] == "run":
    from chaos.run import stack_lock
    if stack_lock.holder(pathlib.Path(sys.argv[sys.argv.index("--stack") + 1]).parent / ".chaos", "process"):
        sys.exit(75)
    name = pathlib.Path(sys.argv[2]).stem
    run = pathlib.Path(sys.argv[sys.argv.index("--into") + 1])
    shutil.copytree(pathlib.Path({str(ROOT)!r}) / "tests" / "golden" / name, run)
    sys.exit({{"primary-loss-lossy": 1}}.get(name, 0))
from chaos import place
from chaos.cli import main
from chaos.targets.memory.target import Memory
from chaos.protocols.capabilities import HOST, Hosting
from chaos.protocols.table import Table
class Fetching(Memory, Hosting):
    @property
    def can(self):
        return Table(*super().can.rows, HOST.by(self))
    async def host(self, *_): ...
    async def fetch(self, node, port, path, timeout=2.0):
        from chaos.errors import TargetError
        if node not in self._up:
            raise TargetError(node + ": no answer")
        return 200, b'{{"path": "' + path.encode() + b'"}}'
from chaos.targets import known
known.choose = lambda wanted: wanted or "process"
known.make = lambda kind, stack, *_: Fetching(stack.nodes)
place.in_another = lambda kind: False
place.here = lambda kind, stack, lock: contextlib.nullcontext(place.Place(True, lock))
main()
"""

CONFTEST = """
import sys
import chaos.testing.plugin
chaos.testing.plugin.PROGRAM = (sys.executable, {program!r})
"""


@dataclass
class Done:
    code: int
    said: str
    xml: ET.Element | None

    @property
    def properties(self) -> dict[str, str]:
        assert self.xml is not None
        return {str(p.get("name")): str(p.get("value")) for p in self.xml.iter("property")}

    def failure(self, words: str) -> str:
        """The first line that has these words and is no source: what pytest shows of an error's text."""
        said = [line.removeprefix("E  ").strip() for line in self.said.splitlines() if words in line]
        return next(line for line in said if not line.startswith((">", '"', "raise")))


Pytest = Callable[..., Done]


@pytest.fixture
def inner(tmp_path: Path) -> Pytest:
    """Runs pytest in a project of its own that has a stack, a test and two experiments."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "conftest.py").write_text(CONFTEST.format(program=str(tmp_path / "program.py")))
    (tmp_path / "docker-compose.yml").write_text(STACK)
    (tmp_path / "experiments" / "suites").mkdir(parents=True)
    (tmp_path / "experiments" / "suites" / "night.yaml").write_text("name: night\nruns: []\n")
    for name in ("zone-fire-remedied", "primary-loss-lossy"):
        (tmp_path / "experiments" / f"{name}.yaml").write_text(f"name: {name}\n")
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")

    def run(*args: str, test: str = "") -> Done:
        if test:
            (tmp_path / "test_faults.py").write_text(test)
        xml = tmp_path / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-p", "chaos.testing.plugin", "-p", "no:cacheprovider",
                   f"--junitxml={xml}", "-o", "junit_family=xunit1", *args]  # fmt: skip
        env = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        found = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        return Done(found.returncode, found.stdout + found.stderr, ET.parse(xml).getroot() if xml.exists() else None)

    return run


def test_nobody_meets_experiments_who_did_not_ask(inner: Pytest) -> None:
    """Not by `pytest`, nor by `pytest .`: the package may be installed where nobody thinks of it."""
    done = inner(".")
    assert done.code == 0 and "1 passed" in done.said, done.said


def test_experiments_are_tests_by_flag_folder_or_file(inner: Pytest) -> None:
    """All of a folder, or one; suites are none."""
    assert "3 tests collected" in inner("--chaos", "--collect-only", "-q").said
    assert "2 tests collected" in inner("experiments/", "--collect-only", "-q").said
    one = inner("experiments/zone-fire-remedied.yaml", "--collect-only", "-q", "--chaos-seed", "3", "--chaos-seed", "4")
    assert "zone-fire-remedied[seed 3]" in one.said and "zone-fire-remedied[seed 4]" in one.said
    assert "2 tests collected" in one.said


def test_an_experiment_that_fails_fails_in_its_findings_words(inner: Pytest) -> None:
    """And one that passes has every measure in junit.xml."""
    done = inner("experiments/")
    assert done.code == 1 and "1 failed, 1 passed" in done.said, done.said
    assert "FAIL (exit 1)" in done.said and "delivery:" in done.said and "report.html" in done.said
    good = inner("experiments/zone-fire-remedied.yaml", "--chaos-runs", "elsewhere")
    assert good.code == 0, good.said
    assert good.properties["chaos.verdict"] == "PASS"
    assert float(good.properties["rto_s.text"]) > 0 and float(good.properties["delivery.lost"]) == 0


def test_a_test_drives_faults(inner: Pytest) -> None:
    """Bitten inside the block, healed after it, also when the test fails in it; the stack is started once."""
    done = inner(
        "test_faults.py", "--chaos-target", "process",
        test="""
import pytest

def test_kill(chaos):
    with chaos.fault("kill", component="web") as dead:
        assert dead.nodes == ("web-a",)
        with pytest.raises(chaos.NoAnswer):
            chaos.get("web-a", 80)
        assert chaos.get("db-b", 80, "/x").json() == {"path": "/x"}
    assert chaos.get("web-a", 80).status == 200

def test_that_fails(chaos):
    with chaos.fault("kill", zone="a"):
        assert False, "planted"

def test_after_it_everybody_is_up(chaos):
    assert chaos.get("web-a", 80).status == 200
    assert [n.name for n in chaos.nodes] == ["db-b", "web-a"]

def test_left_open(chaos):
    chaos.fault("kill", where={"name": "db-b"}).__enter__()

def test_closed_for_it(chaos):
    assert chaos.get("db-b", 80).status == 200
    with chaos.fault("partition", zone="a", to={"zone": "b"}) as cut:
        assert cut.nodes == ("web-a",)

@pytest.mark.parametrize("name, words, says", [
    ("kll", {"zone": "a"}, "did you mean 'kill'"), ("kill", {"zon": "a"}, "no node has a label 'zon'"),
])
def test_mistakes(chaos, name, words, says):
    with pytest.raises(Exception, match=says):
        with chaos.fault(name, **words):
            pass
""",
    )  # fmt: skip
    assert done.code == 1 and "1 failed, 6 passed" in done.said and "planted" in done.said, done.said


def test_markers_say_where_and_how_long(inner: Pytest, says: Says) -> None:
    """A test for another target is skipped; a fault that outlasts its time is healed and the test fails."""
    done = inner(
        "test_faults.py", "--chaos-target", "process",
        test="""
import time
import pytest

@pytest.mark.chaos_target("compose")
def test_elsewhere(chaos):
    assert False

@pytest.mark.chaos_time(0.2)
def test_too_long(chaos):
    with chaos.fault("kill", zone="a"):
        while True:
            try:
                chaos.get("web-a", 80)
                break
            except chaos.NoAnswer:
                time.sleep(0.05)
""",
    )  # fmt: skip
    assert "1 failed, 1 skipped" in done.said, done.said
    says(done.failure("kill was healed after"))


def test_tests_and_experiments_of_one_session_take_the_stack_in_turn(inner: Pytest) -> None:
    """One at a time holds it: an experiment ends what tests had started, and the next test starts it again. A target
    that one test names and another has by default is one stack."""
    test = """
import pytest

def test_by_default(chaos):
    assert chaos.nodes

@pytest.mark.chaos_target("process")
def test_by_name(chaos):
    assert chaos.nodes
"""
    files = ("test_faults.py::test_by_name", "experiments/zone-fire-remedied.yaml", "test_faults.py::test_by_default")
    done = inner(*files, "--chaos-target", "process", test=test)
    assert done.code == 0 and "3 passed" in done.said, done.said


def test_without_a_stack_it_says_where_it_looked(inner: Pytest, tmp_path: Path, says: Says) -> None:
    """And which option names one."""
    (tmp_path / "docker-compose.yml").unlink()
    done = inner("test_faults.py", test="def test_it(chaos):\n    pass\n")
    assert done.code
    says(done.failure("--chaos-stack FILE"))


def test_a_drive_that_ends_is_told_with_its_last_words(inner: Pytest, tmp_path: Path, says: Says) -> None:
    """Here, a stack's description that cannot be read."""
    (tmp_path / "docker-compose.yml").write_text("services: {web: {}}\n")
    done = inner("test_faults.py", "--chaos-target", "process", test="def test_it(chaos):\n    pass\n")
    assert done.code
    says(done.failure("`chaos drive` has ended"))
