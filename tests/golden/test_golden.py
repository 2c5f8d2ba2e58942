"""Recorded runs must come to exactly what they came to. `python -m tests.golden.make --update` renews that."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from chaos.journal import Journal
from chaos.judge import judge
from chaos.model import Verdict
from chaos.registry import names
from chaos.reports import write_all
from tests.golden import make


@pytest.mark.parametrize("name", make.RUNS)
def test_a_recorded_run_comes_to_what_it_came_to(name: str) -> None:
    """findings.json and report.md, byte for byte."""
    for file, text in make.outcome(name).items():
        assert text == (make.HERE / name / file).read_text(), f"{name}/{file} differs; see this module's docstring"


@pytest.mark.parametrize("name", make.RUNS)
def test_a_run_is_judged_the_same_from_its_folder(name: str, tmp_path: Path) -> None:
    """What `chaos check` and `chaos report` do: everything from the files alone, twice the same bytes."""
    run = tmp_path / "golden" / name
    run.mkdir(parents=True)
    for file in ("plan.json", "journal.jsonl"):
        shutil.copy(make.HERE / name / file, run)
    (run / "ops.jsonl").write_bytes(gzip.decompress((make.HERE / name / "ops.jsonl.gz").read_bytes()))
    built = []
    for _ in range(2):
        journal = Journal.load(run)
        built.append({k: p.read_bytes() for k, p in write_all(run, journal, judge(journal)).items()})
    assert built[0] == built[1]
    assert built[0]["findings.json"] == (make.HERE / name / "findings.json").read_bytes()


def test_the_recordings_come_to_the_verdicts_they_were_made_for() -> None:
    """As-was is reproduced and green, remedied is predicted and green, the lossy one is convicted."""
    verdicts = {name: make.verdict(name).verdict for name in make.RUNS}
    assert verdicts == {
        "zone-fire-as-was": Verdict.PASS, "zone-fire-remedied": Verdict.PASS, "primary-loss-lossy": Verdict.FAIL,
        "logout-storm-as-was": Verdict.PASS,
        "staff-exodus-latent": Verdict.PASS,
    }  # fmt: skip


def test_every_checker_passes_on_a_recording() -> None:
    """A checker that no recorded run passes has never been seen to acquit."""
    findings = [f for name in make.RUNS for f in make.verdict(name).findings]
    passed = {f.check.split()[0] for f in findings if f.verdict is Verdict.PASS}
    assert passed >= set(names("chaos.checkers"))
