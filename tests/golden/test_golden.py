"""Recorded runs must come to exactly what they came to. `python -m tests.golden.make --update` renews that."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.judge.judge import judge
from chaos.model import Verdict
from chaos.record import findings
from chaos.record.journal import Journal
from chaos.registry import names
from chaos.report import write_all
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
        "staff-exodus-latent": Verdict.PASS, "front-kill-probed": Verdict.INCONCLUSIVE,
    }  # fmt: skip


def test_every_checker_passes_on_a_recording() -> None:
    """A checker that no recorded run passes has never been seen to acquit."""
    findings = [f for name in make.RUNS for f in make.verdict(name).findings]
    passed = {f.check.split()[0] for f in findings if f.verdict is Verdict.PASS}
    assert passed >= set(names("chaos.judge.checkers"))


@pytest.mark.parametrize("name", make.FORMER)
def test_findings_differ_from_those_of_the_form_before_by_the_map_of_renames_alone(name: str) -> None:
    """findings.v1.json is what the version before wrote of a recording; renames.json is the map. Words may differ."""
    renames = json.loads((make.HERE / "renames.json").read_text())
    before = json.loads((make.HERE / name / "findings.v1.json").read_text())
    now = json.loads((make.HERE / name / "findings.json").read_text())
    assert now["schema"] == renames["to"] and "schema" not in before
    for added in renames["added"]:
        _drop(now, added.split("."))
    before["findings"] = [
        {renames["renamed_in_findings"].get(k, k): v for k, v in f.items()}
        | {"check": renames["renamed_checks"].get(f["check"], f["check"])}
        for f in before["findings"]
    ]
    for words in renames["words"]:
        _drop(now, words.split("."))
        _drop(before, words.split("."))
    for measure in renames["left_out_where_empty"]:
        if not before["measures"][measure]:
            del before["measures"][measure]
    assert now == {renames["renamed"].get(key, key): value for key, value in before.items()}


@pytest.mark.parametrize("name", make.FORMER)
def test_findings_of_the_form_before_are_read_as_todays(name: str) -> None:
    """Each figure and each fact, whoever wrote the file."""
    before, now = (findings.read(make.HERE / name / f"findings{v}.json") for v in (".v1", ""))
    assert before and now and (before.schema, now.schema) == (1, 2)
    then = msgspec.structs.replace(before.measures, added=now.measures.added)
    assert (then, before.verdict, before.expected_failures) == (now.measures, now.verdict, now.expected_failures)
    found = [[msgspec.structs.replace(f, summary="") for f in one.findings] for one in (before, now)]
    assert found[0] == found[1]
    assert [(f.name, f.measured, f.holds) for f in before.facts] == [(f.name, f.measured, f.holds) for f in now.facts]
    assert before.figures == {k: v for k, v in now.figures.items() if not k.startswith("added.")}


def _drop(value: Any, path: Sequence[str]) -> None:
    if path[0] == "*":
        for one in value:
            _drop(one, path[1:])
    elif len(path) > 1:
        _drop(value[path[0]], path[1:])
    else:
        del value[path[0]]
