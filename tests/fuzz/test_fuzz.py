"""Every input that ever broke a rule, a few new ones of each kind, and the guard that would notice."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import guard
from tests.fuzz.guard import guarded
from tests.fuzz.kinds import KINDS
from tests.fuzz.place import LASTING
from tests.fuzz.worker import Worker, run

SEEDS = sorted(path for path in (Path(__file__).parent / "seeds").glob("*/*"))
BOXED = {"helper", "box"}  # kinds that need namespaces


@pytest.fixture(autouse=True, scope="module")
def _nothing_lasts() -> Iterator[None]:
    """What the inputs share, a helper and a box, ends with these tests."""
    yield
    LASTING.close()


def marked(kind: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.box] if kind in BOXED else []


@pytest.mark.parametrize(
    "path", [pytest.param(p, marks=marked(p.parent.name), id=f"{p.parent.name}-{p.name}") for p in SEEDS]
)
def test_an_input_that_broke_a_rule_breaks_none_any_more(path: Path) -> None:
    """seeds/KIND/NAME, each found by a fuzzer or made after a finding; AssertionError for a rule that is broken."""
    assert KINDS[path.parent.name].check(path.read_bytes()) is None


@pytest.mark.parametrize("kind", [k for k in KINDS if KINDS[k].examples])
def test_odd_input_ends_in_words(kind: str) -> None:
    """The same few inputs each time; `make fuzz` tries others for an hour."""
    tried: list[bytes] = []

    def check(data: bytes) -> None:
        tried.append(data)
        KINDS[kind].check(data)

    run(KINDS[kind], check, 0, KINDS[kind].examples, shrink=False)
    assert tried


def test_the_guard_sees_a_file_elsewhere_even_if_nobody_minds(tmp_path: Path) -> None:
    """`except Exception` hides nothing, and the file is not made."""

    def hidden(place: Path) -> None:
        with contextlib.suppress(Exception):
            place.write_text("x")

    (tmp_path / "runs").mkdir()
    with guarded(tmp_path / "runs"):
        hidden(tmp_path / "runs" / "here")
    for sly in (tmp_path / "there", tmp_path / "runs" / ".." / "there", tmp_path / "runs2"):
        with pytest.raises(AssertionError, match="outside"), guarded(tmp_path / "runs"):
            hidden(sly)
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]
    with pytest.raises(AssertionError, match="outside"), guarded(tmp_path / "runs"):
        os.rename(tmp_path / "runs" / "here", tmp_path / "moved")


def test_the_guard_sees_programs_and_connections() -> None:
    """A file that somebody sends starts nothing."""
    with pytest.raises(AssertionError, match="Popen"), guarded():
        subprocess.run(["true"], check=True)


def test_the_guard_ends_what_takes_too_long_or_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds of processor time, 500 MB."""
    with pytest.raises(AssertionError, match="MB"), guarded():
        bytearray(2 * guard.MEMORY)
    monkeypatch.setattr(guard, "SECONDS", 0.05)
    with pytest.raises(AssertionError, match="more than 0"), guarded():
        while True:
            pass


def test_a_worker_writes_down_each_finding_once_and_shrunk(tmp_path: Path) -> None:
    """A planted bug in a parser is found, named by its line, and its input is short."""
    from hypothesis import strategies as st

    from tests.fuzz.kind import Kind

    def parse(data: bytes) -> None:
        if len(data) > 2:
            raise KeyError("planted")

    worker = Worker(Kind("planted", st.binary(max_size=50), parse), tmp_path / "current")
    worker.work(1.0, 0)
    (finding,) = worker.found.values()
    assert len(finding.data) == 3 and "planted" in finding.words and "KeyError" in finding.where


def test_the_long_form_exits_1_with_what_it_found_and_replays_it(tmp_path: Path) -> None:
    """`python -m tests.fuzz`: figures of each kind, and a command that tries one input again."""
    argv = [sys.executable, "-m", "tests.fuzz"]
    done = subprocess.run(
        [*argv, "--seconds", "1", "--out", str(tmp_path), "codeowners"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "codeowners" in done.stdout and " 0 findings" in done.stdout, (
        done.stdout + done.stderr
    )
    (tmp_path / "input").write_bytes(b"* @ana\n")
    again = subprocess.run(
        [*argv, "codeowners", "--replay", str(tmp_path / "input")], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
