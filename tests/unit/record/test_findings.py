"""findings.json: what is written can be read, also what older versions wrote, and each figure says what it is."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.cli import main
from chaos.judge.measures import measure
from chaos.record import findings
from chaos.report.site.site import Site
from chaos.report.trend import series
from tests.unit.histories import incident, journal, outage, readback, send

GOLDEN = Path(__file__).parents[2] / "golden"
OLD = "zone-fire-as-was"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of the same kind whose findings are of the form before `schema`, as an older version left them."""
    for n in (1, 2):
        run = tmp_path / "runs" / "zone-fire" / f"2026010{n}T000000Z-s7"
        run.mkdir(parents=True)
        shutil.copy(GOLDEN / OLD / "plan.json", run)
        shutil.copy(GOLDEN / OLD / "journal.jsonl", run)
        shutil.copy(GOLDEN / OLD / "findings.v1.json", run / "findings.json")
        (run / "ops.jsonl").write_bytes(gzip.decompress((GOLDEN / OLD / "ops.jsonl.gz").read_bytes()))
    return tmp_path / "runs"


def command(*args: object) -> int:
    with pytest.raises(SystemExit) as e:
        main([str(a) for a in args])
    return int(e.value.code or 0)


def test_what_is_measured_is_read_as_it_was_written() -> None:
    """With every measure that a journal can give; in JSON, and back."""
    ops = [*outage(1, 4), send(-1, "a"), send(2, "b"), readback("u1", ["a"])]
    found = measure(journal(ops, incident=incident({}), scale=3600.0))
    again = msgspec.json.decode(msgspec.json.encode(found), type=findings.Measures)
    assert again == found and again.delivery and again.delivery.lost == 1 and again.return_fraction


def test_every_figure_has_a_unit_and_none_is_forgotten() -> None:
    """Each dotted name of a recorded run is one of those that the struct declares."""
    names = {leaf.name for leaf in findings.leaves()}
    assert all(leaf.unit for leaf in findings.leaves()) and len(names) == len(findings.leaves())
    for file in GOLDEN.glob("*/findings.json"):
        found = findings.read(file)
        assert found is not None
        assert [n for n in found.figures if not any(series.matches(n, name) for name in names)] == []


def test_which_way_is_worse_is_said_once() -> None:
    """What trends go by is what the fields say."""
    worse = {"rto_s.text": 1, "availability.text.during": -1, "latency_ms.text.after.p99": 1, "load.n": 0}
    worse |= {"delivery.journeys.text.lost": 1, "availability.text.by_client.app.during": -1, "sessions.web.kept": -1}
    assert {name: series.direction(name) for name in worse} == worse


@pytest.mark.parametrize(
    "odd",
    ["", "[]", '{"measures": {}}', '{"verdict": 3}', '{"verdict": "PASS", "measures": []}',
     '{"verdict": "PASS", "measures": {"rto_s": {"text": "long"}}}', '{"verdict": "PASS", "findings": {"a": 1}}'],
)  # fmt: skip
def test_a_file_of_no_such_form_is_none(odd: str, tmp_path: Path) -> None:
    """Neither an error nor a verdict."""
    (tmp_path / "findings.json").write_text(odd)
    assert findings.read(tmp_path / "findings.json") is None
    assert findings.read(tmp_path / "nothing.json") is None


def test_an_older_run_without_a_read_back_has_no_delivery(tmp_path: Path) -> None:
    """It was written as an empty object."""
    (tmp_path / "findings.json").write_text('{"verdict": "PASS", "measures": {"delivery": {}}, "targets": []}')
    found = findings.read(tmp_path / "findings.json")
    assert found and found.measures.delivery is None and found.schema == 1


def test_runs_of_the_form_before_are_listed_compared_and_looked_over(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index, trends and the local site read them as they are."""
    assert command("list", "--json", "--runs", runs) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 and all(r["measures"]["rto_s.text"] > 1 and r["verdict"] == "PASS" for r in rows)
    assert command("trend", "zone-fire", "--flaky", "--json", "--runs", runs) == 0
    assert json.loads(capsys.readouterr().out)["groups"][0]["measures"]["rto_s.text"]["spread"] == 0
    page = Site(runs).get("/compare", [("run", r["path"]) for r in rows]).body.decode()
    assert "Acknowledged writes" in page and "2 runs side by side" in page


def test_a_run_of_the_form_before_is_judged_again_and_reported_in_todays(runs: Path) -> None:
    """`chaos check` and `chaos report`, from the folder alone."""
    run = runs / "zone-fire" / "20260101T000000Z-s7"
    before = findings.read(run / "findings.json")
    assert (command("check", run), command("report", run)) == (0, 0)
    found = findings.read(run / "findings.json")
    assert before and found and found.schema == findings.SCHEMA > before.schema
    then = msgspec.structs.replace(before.measures, added=found.measures.added)
    assert (found.measures, found.verdict) == (then, before.verdict)
    reworded = [msgspec.structs.replace(f, summary="") for f in found.findings]
    assert reworded == [msgspec.structs.replace(f, summary="") for f in before.findings]
    assert "targets" not in json.loads((run / "findings.json").read_text())
